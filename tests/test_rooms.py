"""Who may know whom: the table of the design, read off every import under src/askance."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "askance"

GROUND = {"errors", "config", "records", "cycle_record", "colours"}

#: Room -> the rooms it may import beside itself and the ground. A room that is not here is not a room yet: add it, and
#: say in the commit why it may know what it knows. ``baselines`` knows networks and learning because one of the rivals is a
#: network, and trains by the one loop. ``active`` knows volumes because experts answer and trainings read
#: slices of files. Outside: summary (it gathers a study for the report), planning (it judges settings by the data, which
#: neither config nor store can), adding (it judges what comes later by what a study has), api, terminal, cli, server, and
#: worker, the process of a server's job: it alone knows both the loop and how a job is told of. report knows metrics:
#: tables of an experiment state correlations and paired tests over lines of many trials, which no line holds.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "config": set(),
    "records": set(),
    "cycle_record": set(),
    "colours": set(),
    "execution": set(),
    "volumes": set(),
    "metrics": set(),
    "networks": set(),
    "learning": {"volumes", "networks", "metrics"},
    "store": {"volumes"},
    "active": {"volumes", "metrics", "networks", "learning", "store", "execution"},
    "baselines": {"volumes", "metrics", "networks", "learning"},
    "evaluation": {"volumes", "metrics", "networks", "learning", "store", "active", "baselines", "execution"},
    "report": {"metrics"},
    "server": {"volumes", "metrics", "store", "report", "execution"},
    "summary": {"volumes", "metrics", "active", "report"},
    "planning": {"volumes", "learning", "active"},
    "adding": {"volumes", "active"},
    "api": {"volumes", "metrics", "learning", "store", "active", "report", "summary", "planning", "adding", "execution"},
    "terminal": {"learning"},
    "worker": {"learning", "store", "active", "api", "server"},
    "options": {"volumes"},
    "commands": {
        "options",
        "api",
        "planning",
        "summary",
        "execution",
        "terminal",
        "volumes",
        "metrics",
        "store",
        "active",
        "baselines",
        "evaluation",
        "report",
        "server",
        "worker",
    },
    "cli": {"commands", "options"},
    "__main__": {"cli"},
}

MAY_IMPORT_TORCH = {"networks", "learning", "active", "baselines", "evaluation"}
TORCH = {"torch", "torchvision", "lightning_fabric", "lightning", "monai"}
WITHOUT_TORCH = ("errors", "config", "records", "cycle_record", "colours", "volumes", "store", "metrics", "report", "server")

#: Alembic runs it; nobody imports it.
RUN_BY_ALEMBIC = SOURCE / "store" / "migrations" / "env.py"

MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Full names of what a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: line {node.lineno} imports by dots; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def breaches(path: Path) -> list[str]:
    room = room_of(path)
    allowed = GROUND | MAY_IMPORT.get(room, set()) | {room, "__version__"}
    found = []
    for name in imports_of(path):
        top, _, rest = name.partition(".")
        if top == "askance" and rest.partition(".")[0] not in allowed:
            found.append(f"{room} imports {name}")
        if top in TORCH and room not in MAY_IMPORT_TORCH:
            found.append(f"{room} imports {name}")
    return found


def acts_when_imported(path: Path) -> list[int]:
    """Lines at module level that do something: a call that is no assignment, a loop, a with."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.lineno
        for node in tree.body
        if isinstance(node, (ast.For, ast.While, ast.With))
        or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant))
    ]


def test_every_module_belongs_to_a_room() -> None:
    assert {room_of(path) for path in MODULES} - {"__init__"} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    assert breaches(path) == []


def test_the_table_has_no_cycle() -> None:
    below: set[str] = set(GROUND)
    while ready := {room for room, known in MAY_IMPORT.items() if known <= below} - below:
        below |= ready
    assert below == set(MAY_IMPORT)


def test_a_breach_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    (tmp_path / "store").mkdir()
    bad = tmp_path / "store" / "bad.py"
    bad.write_text("def f():\n    import torch.nn\n    from askance.active import loop\n    from askance import errors\n")
    assert breaches(bad) == ["store imports torch.nn", "store imports askance.active.loop"]


@pytest.mark.parametrize("path", [path for path in MODULES if path != RUN_BY_ALEMBIC], ids=name_of)
def test_importing_a_module_does_nothing(path: Path) -> None:
    assert acts_when_imported(path) == []


IMPORT_ALL = """
import importlib, os, sys
import matplotlib.font_manager  # looks for fonts, once on a machine

WATCHED = {"socket.connect", "subprocess.Popen", "os.system", "os.mkdir", "os.remove", "os.rename", "shutil.rmtree"}

def watch(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if (writes or event in WATCHED) and args[0] != os.devnull:
        raise SystemExit(f"importing did {event} {args}")

sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
    loaded = {"torch", "monai"} & set(sys.modules)
    if loaded:
        raise SystemExit(f"importing {name} loaded {loaded}")
"""


def test_rooms_without_torch_load_none_and_touch_no_file() -> None:
    """Through other packages as well."""
    modules = [path for path in MODULES if room_of(path) in WITHOUT_TORCH and "migrations" not in path.parts]
    command = [sys.executable, "-B", "-c", IMPORT_ALL, *map(name_of, modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
