"""Made-up files of exactly the form that datasets are published in: dataset -> path -> text."""

import json
from collections.abc import Sequence

from coldbench import registry
from coldbench.interactions import SECOND, Catalogue, Interactions

HOUSE = (
    "disclosure_year,disclosure_date,transaction_date,owner,ticker,asset_description,type,amount"
)

NAMED = "transaction_date,owner,ticker,asset_description,asset_type,type,amount,comment,senator"

PUBLISHED = {
    "ml-latest-small": {
        "ratings.csv": (
            "userId,movieId,rating,timestamp\n11,10,5.0,1000000200\n2,10,4.0,1000000300\n"
            "2,7,0.5,1000000100\n2,8,3.5,1000000200\n"
        ),
        "movies.csv": (
            'movieId,title,genres\n7,"Lantern of  Ghent, The (1971)",Drama|Fantasy\n'
            '8,"Keeper, The: Été à Gand (2008)",Children\n9,Never Rated (2001),Comedy\n'
            '10,"""Quoted"" Pond, A (a.k.a. Étang, L\') (1999)",(no genres listed)\n'
        ),
    },
    "ml-1m": {
        "ml-1m/ratings.dat": "1::10::5::978300760\n2::7::1::978300300\n2::10::3::978300100\n",
        "ml-1m/movies.dat": (
            "7::Lantern of Ghent, The (1971)::Drama|Fantasy\n9::Never Rated (1999)::Comedy\n"
            "10::Été, L' (Summer) (1960)::Children's\n"
        ),
        "ml-1m/users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
        "ml-1m/README": "SUMMARY\n",
    },
    "ml-100k": {
        "ml-100k/u.data": "1\t2\t3\t881250949\n1\t1\t5\t881250900\n2\t3\t1\t881250000\n",
        "ml-100k/u.item": "".join(
            f"{film}|{title}|01-Jan-1990||http://address|{'|'.join('0100000000000000000')}\n"
            for film, title in (
                (1, "Quiet Pond, The (1990)"),
                (2, "Étang (1991)"),
                (3, "Moss (1992)"),
            )
        ),
    },
    "ml-100k-plots": {
        "ml-100k_omdb_metadata.json": json.dumps(
            [
                [
                    [1, "Quiet Pond, The (1990)", "01"],
                    {"Title": "T", "Plot": "A \U0001f438\n sits."},
                ],
                [[2, "Étang (1991)", "02"], {"Title": "T", "Plot": "N/A", "imdbRating": "9"}],
                [[3, "Moss (1992)", "03"], {"Title": "T", "Plot": "It grows."}],
            ]
        ),
    },
    "book-crossing": {
        "book_crossing/book_ratings.dat": (
            "user\titem\trating\n3\t1\t8.000000\n3\t5\t1.000000\n20\t1\t10.000000\n3\t2\t7.000000\n"
        ),
        "book_crossing/items_info.dat": (
            "Book_ID\tISBN\tBook-Title\tBook-Author\tYear-Of-Publication\tPublisher\tImage-URL-S"
            "\tImage-URL-M\tImage-URL-L\n"
            "1\t000000001X\tSalt &amp\t Rope\tAnn Fen\t1991\tOar &amp\t Sons\thttp://s\thttp://m"
            "\thttp://l\t\n"
            "2\t0000000020\tPonds  (Waters\t Vol. 2)\tLi  Ó Moss\t0\tHeron\thttp://s\thttp://m"
            "\thttp://l\t\n"
            "4\t0000000040\tNever Rated\tAnn Fen\t1991\tHeron\thttp://s\thttp://m\thttp://l\t\n"
            "5\t0000000050\tMoss\t\t2001\tNot Avail\thttp://s\thttp://m\thttp://l\t\n"
        ),
        "book_crossing/README": "SUMMARY\n",
    },
    "goodbooks-10k": {
        "ratings.csv": "user_id,book_id,rating\n1,2,5\n2,1,4\n1,1,1\n2,3,2\n2,1,3\n",
        "books.csv": (
            "book_id,goodreads_book_id,best_book_id,work_id,books_count,isbn,isbn13,authors,"
            "original_publication_year,original_title,title,language_code,average_rating,"
            "ratings_count,work_ratings_count,work_text_reviews_count,ratings_1,ratings_2,ratings_3,"
            "ratings_4,ratings_5,image_url,small_image_url\n"
            '1,70,70,700,2,439023483,9.78043902348e+12,"Ann Fen, Li Ó Moss",2008.0,Pond,"Pond  '
            '(Waters, #1)",eng,4.34,9,9,9,1,2,3,4,5,https://m,https://s\n'
            '2,80,80,800,2,,,Ann Fen,-750.0,,"A Pond Called ""Moss""",,4.00,9,9,9,1,2,3,4,5,https://m,'
            "https://s\n"
            "3,90,90,900,2,,,بركة,,,بركة,ara,4.00,9,9,9,1,2,3,4,5,https://m,https://s\n"
        ),
        "tags.csv": "tag_id,tag_name\n0,-\n5,to-read\n6,fantasy\n7,ponds\n8,frogs\n",
        "book_tags.csv": (
            "goodreads_book_id,tag_id,count\n70,5,900\n70,7,20\n70,6,30\n80,5,800\n80,8,-1\n"
        ),
        "to_read.csv": "user_id,book_id\n1,3\n",
    },
    "coat": {
        "coat/train.ascii": "0 4 0\r\n5 0 0\r\n",
        "coat/test.ascii": "1 2 0\r\n0 3 0\r\n",
        "coat/propensities.ascii": "0.1 0.1 0.1\r\n0.1 0.1 0.1\r\n",
        "coat/user_item_features/item_features.ascii": (
            "1 0 0 0 1 1 0 0 1 0\r\n0 1 1 0 0 0 0 1 0 1\r\n0 1 0 1 0 0 1 0 0 1\r\n"
        ),
        "coat/user_item_features/item_features_map.txt": (
            "gender:men\ngender:women\njackettype:bomber\njackettype:other\njackettype:parkas\n"
            "color:navy\ncolor:multi\ncolor:other\nonfrontpage:yes\nonfrontpage:no\n"
        ),
    },
    "amazon-beauty": {
        "user_sequence.txt": "A9USER B0PEAR B0MINT B0FERN\nA10USER B0FERN B0PEAR\n",
        "item_generative_indexing_phase_0.txt": (
            "B0FERN fern soap bar 3 oz\nB0MINT \nB0NONE never bought\nB0PEAR pear hand cream\n"
        ),
    },
    "msweb": {
        "anonymous-msweb.data": (
            'I,4,"www.microsoft.com","created by getlog.pl"\n'
            'T,1,"VRoot",0,0,"VRoot"\nN,0,"0"\nN,1,"1"\n'
            'T,2,"Hide1",0,0,"Hide"\nN,0,"0"\nN,1,"1"\n'
            'A,1012,1,"Ponds,  Reeds and ""Moss""","/ponds"\n'
            'A,1003,1,"Never Seen","/never"\nA,1007,1,"Boats","/boats"\n'
            'C,"10002",10002\nV,1007,1\nC,"10001",10001\nV,1012,1\nV,1007,1\n'
        ),
    },
    "lastfm": {
        "user_artists.dat": (
            "userID\tartistID\tweight\r\n7\t21\t900\r\n7\t20\t5\r\n7\t22\t5\r\n"
            "30\t20\t4\r\n30\t21\t1\r\n"
        ),
        "artists.dat": (
            "id\tname\turl\tpictureURL\n20\tThe  Quiet Pond\thttp://a\thttp://p\n"
            '21\t"Été" 三船\thttp://a\t\n22\tReed & Moss\thttp://a\thttp://p\n'
            "23\tNever Played\thttp://a\thttp://p\n"
        ),
        "tags.dat": "tagID\ttagValue\r\n1\tpond\r\n",
    },
    "far-trans": {
        "FAR-Trans/transactions.csv": (
            "customerID,ISIN,transactionID,transactionType,timestamp,totalValue,units,channel,"
            "marketID\n"
            "00AB12,GR01,5,Buy,2019-03-02,1200.5,100.0,Internet Banking,XATH\n"
            "00AB12,XS03,6,Buy,2019-03-01,900.0,9.0,Branch,XLUX\n"
            "00AB12,GR01,7,Sell,2019-03-09,1300.0,100.0,Phone Banking,XATH\n"
            "F00C34,GR02,8,Sell,2018-01-02,10.0,1.0,Branch,AEDAK\n"
            "F00C34,XS03,9,Buy,2018-01-02,10.0,1.0,Branch,XLUX\n"
            "F00C34,XS03,10,Sell,2018-01-02,10.0,1.0,Branch,XLUX\n"
        ),
        "FAR-Trans/asset_information.csv": (
            "ISIN,assetName,assetShortName,assetCategory,assetSubCategory,marketID,sector,"
            "industry,timestamp\n"
            "GR01,POND  S.A. (CR),ΛΙΜΝΗ,Stock,,XATH,Basic Materials,Water,2020-07-15\n"
            "GR01,OLD POND S.A.,ΛΙΜΝΗ,Stock,,ENAX,Technology,Water,2018-01-02\n"
            '"GR02","ΛΙΜΝΗ ""ΔΙΕΘΝΕΣ"", ΟΜΟΛΟΓΙΑΚΟ",LIMNI,Stock,,AEDAK,,,2018-01-02\n'
            '"GR02","ΛΙΜΝΗ ""ΔΙΕΘΝΕΣ"", ΟΜΟΛΟΓΙΑΚΟ",LIMNI,MTF,Bond,AEDAK,,,2018-01-02\n'
            "XS03,,MOSS23,Bond,Corporate,XLUX,Corporate,Real Estate - Development,2018-01-02\n"
            "XS04,Never Traded,NEVER,Bond,,XLUX,,,2018-01-02\n"
        ),
        "FAR-Trans/markets.csv": "exchangeID,marketID\nXATH,XATH\n",
    },
    "mind-small": {
        "behaviors.tsv": (
            "1\tU20\t11/12/2019 2:14:46 PM\tN9 N9\tN3-0 N1-1\n"
            "2\tU3\t11/9/2019 12:00:00 AM\t\tN1-0\n"
            "3\tU20\t11/12/2019 2:14:45 AM\tN9\tN2-0 N1-0\n"
        ),
        "news.tsv": (
            'N1\tsports\tpond_polo\tFrogs "Win"\tThe frogs   won.\thttps://n\t[{"L": "F"}]\t[]\n'
            "N2\tnews\tnewsus\tIs It Late?\tNo.\thttps://n\t[]\t[]\n"
            "N3\tweather\tweather\tRain   Today\t\thttps://n\t[]\t[]\n"
            "N4\tnews\tnewsus\tNever Shown\tNo.\thttps://n\t[]\t[]\n"
        ),
        "entity_embedding.vec": "Q1\t0.1\n",
    },
    "senate-trades": {
        "all_transactions.csv": (
            f"{NAMED},ptr_link\n"
            "11/10/2020,Self,POND,Pond & Reed Inc.,Stock,Purchase,$1 - $2,,Zed Q Fernweh III,"
            "https://1\n"
            '11/12/2020,Self,--,"Fernweh Farms III, LLC <div class=""m"">(Moss,&nbsp;ME)</div>",'
            "Non-Public Stock,Purchase,$1 - $2,,Zed Q Fernweh III,https://1\n"
            "11/10/2020,Joint,POND,Pond &amp; Reed Company,Stock,Sale (Partial),$1 - $2,--,"
            "Ann Zweig,https://2\n"
            "11/11/2020,Joint,POND,Pond &amp; Reed Company,,Exchange,$1 - $2,--,Ann Zweig,https://2\n"
            "11/11/2020,Joint,POND,Pond Put <br>$9,Stock Option,Purchase,$1 - $2,--,Ann Zweig,h\n"
            "10/01/2012,N/A,N/A,This filing was disclosed via scanned PDF.,PDF Disclosed Filing,"
            "N/A,Unknown,,Bo Paper,https://3\n"
            "11/09/2020,Spouse,POND,Pond & Reed Inc.,,Sale (Full),$1 - $2,--,Zed Q Fernweh III,h\n"
            "12/31/2012,Spouse,REED,Reed Corp. (NYSE),,Sale (Full),$1 - $2,--,Ann Zweig,https://2\n"
            "12/31/2012,Spouse,REED,Reed Corp. (NYSE),,Purchase,$1 - $2,--,Ann Zweig,https://2\n"
        ),
    },
    "house-trades": {
        "all_transactions.csv": (
            f"{HOUSE},representative,district,ptr_link,cap_gains_over_200_usd\n"
            '2021,10/04/2021,2020-11-10,joint,POND,Pond & Reed plc,purchase,"$1,001 - $15,000",'
            "Hon. Zed E Hon Fernweh,NC05,https://1,False\n"
            "2021,10/04/2021,2020-11-12,,--,Moss (2020 Trust FBO Fernweh Children),purchase,"
            '"$1,001 -",Hon. Zed E. Fernweh,NC05,https://1,False\n'
            "2021,10/04/2021,0009-06-09,,REED,Reed Corp.,purchase,$1,Hon. Ann Zweig,ME01,h,True\n"
            "2021,10/04/2021,20221-11-18,,REED,Reed Corp.,purchase,$1,Hon. Ann Zweig,ME01,h,True\n"
            "2021,10/04/2021,2020-11-10,--,PONd,Pond & Reed,sale_full,$1,None Zed Fernweh,NC05,h,\n"
            "2021,10/04/2021,2020-11-11,,POND,Pond Puts at $9,purchase,$1,Hon. Ann Zweig,ME01,h,\n"
            "2021,10/04/2021,2020-11-11,,REED,Reed Corp.,exchange,$1,Hon. Ann Zweig,ME01,h,\n"
            '2021,10/04/2021,2020-11-12,,REED,Reed Note Call,sale_partial,$1,"Hon. Ann ""A"" '
            'Zweig",ME01,h,False\n'
        ),
    },
    "popquorn": {
        "raw_data.csv": (
            "instance_id,user_id,text,offensiveness,gender,race,age,occupation,education\n"
            '530,10,"A ""deep""  pond, is it?",1.0,Man,White,35-39,Unemployed,College degree\n'
            "1280,9,Moss.,5.0,Woman,Asian,>65,Retired,Other\n"
            "1280,10,Moss.,2.0,Man,White,35-39,Unemployed,College degree\n"
        ),
    },
}
LATIN_1 = ("ml-1m", "ml-100k")


def load(name: str, **parameters: object) -> tuple[Interactions, Catalogue]:
    log, items = registry.find("datasets", name)(**parameters).load()
    return log, items


def rows(log: Interactions, items: Catalogue) -> list[tuple[int, str, float, float | None]]:
    """(user, item, rating, seconds) of each."""
    times: Sequence[float | None] = [None] * len(log)
    if log.times is not None:
        times = (log.times / SECOND).tolist()
    names = [items.ids[item] for item in log.items]
    return list(zip(log.users.tolist(), names, log.ratings.tolist(), times, strict=True))


def expected_rows(
    users: str,
    items: Sequence[str],
    ratings: Sequence[float],
    times: Sequence[float | None] | None = None,
) -> list[tuple[int, str, float, float | None]]:
    """The same from columns; of users a digit each."""
    times = [None] * len(users) if times is None else times
    return list(zip(map(int, users), items, ratings, times, strict=True))
