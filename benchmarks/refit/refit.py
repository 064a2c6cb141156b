"""From a served model and new ratings to the next version, and the decision which one serves."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from coldbench.cell import Spec
from coldbench.errors import UserError
from coldbench.recommend.recommender import Recommender

from .. import splits
from ..dataset_names import dataset_of
from . import addition, gate, growth, task
from .served import FIRST, GATE, HISTORY, Line, Served
from .trial import Trial


def start(served: Served, model: Path) -> Line:
    """Make the folder of an exported model, with the log that it was trained on.

    Raises UserError where the folder is a served one already, or where the log cannot be read or is
    not what the model was trained on.
    """
    rec = Recommender.load(model)
    spec = spec_of(rec)
    with served.held() as unfinished:
        if unfinished:
            return unfinished
        if (served.folder / HISTORY).is_file():
            raise UserError(f"{served.folder} serves already: give it new ratings, or name another")
        dataset = dataset_of(spec)
        log, catalogue = dataset.load()
        hashes = f"{log.hash()}-{catalogue.hash()}", catalogue.hash()
        if hashes != (spec.data, rec.about.catalogue):
            raise UserError(
                f"{spec.dataset} is not what {model} was trained on: run and export it again"
            )
        _, cut = splits.cut(spec, dataset, log)
        learnt = np.concatenate([cut.warm.ids, cut.valid.users.ids[cut.valid.user_index]])
        grown = growth.of_dataset(dataset, learnt)
        growth.write(served, FIRST, "", grown, (grown.rows, grown.items))
        served.add_model(model, FIRST)
        return served.decide(
            {"event": "start", "version": FIRST, "serves": FIRST, "model": str(model),
             "ratings": len(log), "users": log.n_users, "items": len(catalogue)}
        )  # fmt: skip


def refit(
    served: Served, file: str, stated: dict[str, Any], since: str | None, margin: float
) -> Line:
    """Train again with the new ratings; the new model serves where it is not worse by more than the
    margin. Returns the decision; one that stands already is not made again.

    Raises UserError for a file that cannot be taken, or where too few users could judge.
    """
    if not 0 <= margin < 1:
        raise UserError(f"--margin is a difference in {gate.METRIC}, from 0 to 1, not {margin:g}")
    served.history()
    with served.held():
        last = served.history()[-1]
        again = _again(served, last, file, stated, since, margin)
        if again:
            return again
        serving = last["serves"]
        old, before = Recommender.load(served.model(serving)), growth.read(served, serving)
        rows, items = addition.read(file, stated, spec_of(old), before, since)
        version = f"{max(int(line['version']) for line in served.history()) + 1:04}"
        trial = Trial.of(spec_of(old), before, before.after(rows, items))
        brought = {"version": version, "after": serving, "ratings": rows.height,
                   "users": len(trial.grown.trained) - len(before.trained),
                   "items": items.height, "file": Path(file).name}  # fmt: skip
        growth.write(served, version, serving, trial.grown, (rows, items))
        with TemporaryDirectory(dir=served.folder, prefix=GATE) as place:
            task.apart(
                trial.task(brought), served.model(serving), served.model(version), Path(place)
            )
            theirs, mine = (np.load(Path(place) / name) for name in (task.OLD, task.NEW))
        panels = trial.judge(theirs, mine, margin)
        promoted = all(panel.passes for panel in panels)
        return served.decide(
            {"event": "refit", **brought, "promoted": promoted,
             "serves": version if promoted else serving, "metric": gate.METRIC,
             "shots": trial.protocol.max_shots, "margin": margin, "since": since,
             "panels": gate.as_json(panels), "rows": growth.digest(rows)}
        )  # fmt: skip


def rollback(served: Served) -> Line:
    """Serve the version again that the serving one grew from. Raises UserError where it is the
    first, or where that one is torn."""
    served.history()
    with served.held() as unfinished:
        if unfinished and unfinished["event"] == "rollback":
            return unfinished
        lines = served.history()
        serving = lines[-1]["serves"]
        before = [line["after"] for line in lines if line["version"] == serving and "after" in line]
        if not before:
            raise UserError(f"{serving} is the first version: there is none to go back to")
        Recommender.load(served.model(before[0]))
        return served.decide({"event": "rollback", "version": serving, "serves": before[0]})


def _again(
    served: Served, last: Line, file: str, stated: dict[str, Any], since: str | None, margin: float
) -> Line | None:
    """The last decision, where it was made about these very ratings and this margin."""
    if last["event"] != "refit" or last["margin"] != margin or last["file"] != Path(file).name:
        return None
    before = growth.read(served, last["after"])
    spec = spec_of(Recommender.load(served.model(last["after"])))
    rows, _ = addition.read(file, stated, spec, before, since)
    return last | {"again": True} if growth.digest(rows) == last["rows"] else None


def spec_of(rec: Recommender) -> Spec:
    """What the first version's cell was. Raises UserError where the model does not say."""
    try:
        return Spec(**rec.card["spec"])
    except (KeyError, TypeError) as error:
        raise UserError(f"the model does not say how it was trained ({error}); export it") from None
