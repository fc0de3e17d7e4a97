"""The package as others install it: a wheel made of the source archive works with the packages that it names alone."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

USE = """
import json, sys
import boltzprune
before = set(sys.modules)
import numpy as np
from boltzprune import PrunedDBM, PrunedRBM
import boltzprune.backend.cpu.backend
X = np.random.default_rng(3).integers(0, 2, (31, 5))
rbm = PrunedRBM(7, device="reference").fit(X).prune("variance_fi", fraction=0.5, threshold="rank").retrain(X)
rbm.save("rbm.npz")
few = {"n_epochs": 1, "batch_size": 7}
short = {"pretraining": {"first": few, "second": few}, "training": few, "retraining": few}
dbm = PrunedDBM((7, 3), **short, device="reference").fit(X).prune().retrain(X)
try:
    rbm.plot()
except boltzprune.errors.InputError as error:
    problem = str(error)
print(json.dumps({
    "file": boltzprune.__file__, "version": boltzprune.__version__, "light": len(before) < 150,
    "weights": int(PrunedRBM.load("rbm.npz").mask_.sum()), "score": bool(np.isfinite(dbm.score(X))), "problem": problem,
}))
"""


def run(words, folder, **environment):
    """A command that has to end well; its output."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def needed(names):
    """These distributions and all that they need themselves, without their extras."""
    found, waiting = {}, list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            try:
                found[name] = importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:  # of another system or version of Python
                continue
            waiting += [name_of(one) for one in found[name].requires or [] if "extra ==" not in one]
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A source archive of what Git knows or would add, and a wheel that was made of the archive."""
    folder = tmp_path_factory.mktemp("package")
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT)
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), "."], folder / "source")
    (archive,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return archive, wheel


def test_the_wheel_has_every_file_of_the_package(built):
    archive, wheel = built
    names = set(zipfile.ZipFile(wheel).namelist())
    here = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*") if path.is_file()}
    expected = {name for name in here if "__pycache__" not in name and ".egg-info" not in name}
    assert expected <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "boltzprune",
        "snakemake_logger_plugin_boltzprune",
    }
    with tarfile.open(archive) as packed:
        inside = {name.partition("/")[2] for name in packed.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "src/boltzprune/__init__.py"} <= inside


def test_the_library_needs_what_it_names_and_no_more(built, tmp_path):
    """Studies need Snakemake and others, which the command names where they are missing."""
    _, wheel = built
    place, others = tmp_path / "installed", tmp_path / "others"
    zipfile.ZipFile(wheel).extractall(place)
    (metadata,) = place.glob("*.dist-info/METADATA")
    required = re.findall(r"^Requires-Dist: (.*)$", metadata.read_text(), re.MULTILINE)
    base = [name_of(one) for one in required if "extra ==" not in one]
    assert sorted(base) == ["numba", "numpy", "pydantic", "pyyaml", "scikit-learn", "scipy"]
    others.mkdir()
    for distribution in needed(base).values():
        for file in distribution.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (others / top).exists():
                (others / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
    assert not any((others / name).exists() for name in ("snakemake", "pandas", "matplotlib", "rich", "pooch"))
    start = f"import sys; sys.path[:0] = {[str(place), str(others)]!r}\n"
    python = [sys.executable, "-I", "-S", "-c"]
    found = json.loads(run([*python, start + USE], tmp_path))
    assert found.pop("file").startswith(str(place))
    assert found == {
        "version": importlib.metadata.version("boltzprune"),
        "light": True,
        "weights": 17,
        "score": True,
        "problem": "plot: matplotlib is not installed; pip install 'boltzprune[plot]'",
    }
    command = start + "from boltzprune.__main__ import main\nsys.exit(main())"
    assert "make a study" in run([*python, command, "--help"], tmp_path)
    (tmp_path / "Snakefile").touch()
    done = subprocess.run([*python, command, "run"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "snakemake is not installed, which studies need: pip install 'boltzprune[workflow]'" in done.stderr
