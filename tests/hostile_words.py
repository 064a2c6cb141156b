"""Words that attack whoever shows them, and a run that has them wherever a report shows words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from coldbench.cell import write_plan
from tests import fake_run

RUN = "window.__hacked=1"
AWAY = "http://127.0.0.1:9/away"
WORDS = [
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</title></svg></math><script>{RUN}</script>",
    f"</textarea></pre></details></table><img src=x onerror={RUN}>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>",
    "<iframe src=javascript:parent.__hacked=1></iframe>",
    "<iframe srcdoc='<script>parent.__hacked=1</script>'></iframe>",
    f"<a href=javascript:{RUN}>a link</a>",
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"<meta http-equiv=refresh content='0;url={AWAY}'>",
    f"<link rel=stylesheet href={AWAY}.css><style>@import '{AWAY}';</style>",
    f"<base href={AWAY}/><form action={AWAY}><button autofocus>",
    f"<input autofocus onfocus={RUN}>",
    f"<details open ontoggle={RUN}><marquee onstart={RUN}>",
    f'" onmouseover="{RUN}" x="',
    f"' onfocus='{RUN}' autofocus='",
    f'"><script>{RUN}</script><p class="',
    f"'-{RUN}-'",
    f"`${{{RUN}}}`",
    "{{7*7}} {{ config }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{# gone #} ${7*7} #{7*7} <%= 7*7 %>",
    f"<![CDATA[<script>{RUN}</script>]]>",
    f"<!-- --!><script>{RUN}</script> --> <?php 1 ?>",
    "&lt;b&gt; &amp;lt; &#60;i&#62; &copy; &quot;",
    "line\u2028paragraph\u2029next\x85end\ttab\r\nnew",
    "\u202eright to left\u202c \u2066apart\u2069 \u200eleft",
    "שלום עולם مرحبا بالعالم",
    "null undefined NaN None true __proto__",
    "w" * 2000,
    "🎬🍿 👩‍👩‍👧‍👦 🏳️‍🌈 🇺🇦",
    "e\u0301 a\u030a z\u0336\u0351 c\u0327 ñ ő ł ß Æ ı",
    "中文 日本語 한국어 ไทย",
    "bell\x07 back\x08 escape\x1b[31m delete\x7f last\ufffe bom\ufeff zero\u200b soft\u00ad",
    "=1+1 @SUM(A1) +cmd|' /C calc'!A0",
    "../../etc/passwd C:\\con\\nul %2e%2e%2f",
    r"\input{/etc/passwd} \write18{id} $x_1$ 100% #1 ~^ -- --- ''",
    "[option] *star* & | [a](javascript:1) ![b](x) **bold** _it_",
]
OF_A_CELL = "method params paper family reason hardware commit licence citation encoder".split()


def text(field: str, at: int) -> str:
    """A word with a mark behind it, which says where on a page it came from."""
    return f"{WORDS[at % len(WORDS)]} {field}{at % len(WORDS)}"


def planted(turn: int, turns: int) -> list[tuple[str, str]]:
    """(field, text) of all that `build` plants; over all the turns every word in every field."""
    few = range(turn, len(WORDS), turns)
    done = {text("reason", at + 4 * OF_A_CELL.index("reason")) for at in few}  # these have none
    every = [(f, text(f, at)) for f in OF_A_CELL for at in range(len(WORDS))]
    every += [(f, text(f, at)) for f in ("dataset", "protocol") for at in few]
    return [(field, words) for field, words in every if words not in done]


def build(run: Path, turn: int, turns: int) -> None:
    """A section with every word as a method, some of them done; and sections without a number.

    No two fields of a cell hold the same word.
    """
    run.mkdir(parents=True)
    specs = []
    few = range(turn, len(WORDS), turns)
    for at in range(len(WORDS)):
        method, params, paper, family, *others = (
            text(field, at + 4 * place) for place, field in enumerate(OF_A_CELL)
        )
        facts: dict[str, Any] = dict(zip(OF_A_CELL[4:9], others[:5], strict=True))
        facts["paper"] = paper
        spec = fake_run.spec(method, 0, text("dataset", turn), None)
        spec = replace(
            spec, protocol=text("protocol", turn), params={"a": params, "b": [1, None]},
            encoder={"name": others[5]},
        )  # fmt: skip
        status = "done" if at in few else "failed"
        scores = fake_run.made_up("ridge", 0, 12) if status == "done" else None
        facts["reason"] = "" if status == "done" else facts["reason"]
        fake_run.write_cell(run, spec, status, scores=scores, family=family, **facts)
        specs.append(spec)
    for at in few[1:]:
        spec = fake_run.spec("late", 0, text("dataset", at), None)
        specs.append(replace(spec, protocol=text("protocol", at)))
    write_plan(run, specs)
