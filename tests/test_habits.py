"""What the files around the code say of the project: versions, interpreters and steps, each of which has one source."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import spectral_losses

ROOT = Path(__file__).parents[1]


def text(name: str) -> str:
    """A file of the checkout; other trees, such as a source distribution, have not all of them."""
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"there is no {name}")
    return path.read_text(encoding="utf-8")


def parsed(name: str) -> Any:
    return pytest.importorskip("yaml").safe_load(text(name))


def workflow(name: str) -> Any:
    return parsed(f".github/workflows/{name}.yml")


def commands(job: Any) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.fixture(scope="module")
def project() -> Any:
    return tomllib.loads(text("pyproject.toml"))["project"]


@pytest.fixture(scope="module")
def steps() -> list[str]:
    """What .ci/run has without an argument."""
    (found,) = re.findall(r"^steps=\((.*)\)$", text(".ci/run"), re.MULTILINE)
    return found.split()


def test_versions_agree(project: Any) -> None:
    assert spectral_losses.__version__ == project["version"]
    assert parsed("CITATION.cff")["version"] == project["version"]
    assert parsed("CITATION.cff")["license"] == project["license"]


def test_the_changelog_begins_with_the_version_and_a_date_that_can_be_cited(project: Any) -> None:
    version, when = re.findall(r"^## (\S+) \((.+)\)$", text("CHANGELOG.md"), re.MULTILINE)[0]
    assert version == project["version"]
    assert when == str(parsed("CITATION.cff").get("date-released", "unreleased"))


def test_every_interpreter_that_is_promised_is_tested(project: Any) -> None:
    promised = [c.split()[-1] for c in project["classifiers"] if re.fullmatch(r".*:: 3\.\d+", c)]
    assert project["requires-python"] == f">={promised[0]}"
    jobs = workflow("tests")["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix["python"] == promised
    assert not {each["python"] for each in matrix["include"] if each["to-come"]} & set(promised)
    assert jobs["elsewhere"]["strategy"]["matrix"]["python"] == [promised[0], promised[-1]]


def test_the_lowest_dependencies_meet_the_lowest_interpreter(project: Any) -> None:
    job = workflow("nightly")["jobs"]["lowest"]
    assert ".ci/lowest" in commands(job)
    assert os.access(ROOT / ".ci" / "lowest", os.X_OK) or os.name == "nt"
    (python,) = (step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert project["requires-python"] == f">={python}"


def test_the_adapters_are_tested_by_night_and_another_name_is_refused() -> None:
    assert ".ci/adapters" in commands(workflow("nightly")["jobs"]["adapters"])
    lines = [line.split('"') for line in text(".ci/adapters").splitlines() if line.startswith("add ")]
    assert len(lines) > 5
    for line in lines:
        assert [path for path in line[5].split() if not (ROOT / path).exists()] == []
    names = [line[0].split()[1] for line in lines]
    assert f"\nnames=({' '.join(names)})\n" in text(".ci/adapters")
    if os.name == "nt":
        pytest.skip("needs bash")
    refused = subprocess.run([ROOT / ".ci" / "adapters", "keras", "krsa"], capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"unknown package 'krsa'; there are: {' '.join(names)}\n"


def test_the_workflow_runs_each_step_once(steps: list[str]) -> None:
    jobs = workflow("tests")["jobs"]
    assert commands(jobs["tests"]) == [".ci/run tests"]
    assert commands(jobs["checks"]) == [".ci/run $STEPS"]
    ran = ["tests", *" ".join(jobs["checks"]["strategy"]["matrix"]["steps"]).split()]
    assert sorted(ran) == sorted(steps)


def test_the_steps_are_functions_and_another_name_is_refused(steps: list[str]) -> None:
    assert [name for name in steps if f"\n{name}() {{\n" not in text(".ci/run")] == []
    if os.name == "nt":
        pytest.skip("needs bash")
    refused = subprocess.run([ROOT / ".ci" / "run", "lint", "tset"], capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"unknown step 'tset'; there are: {' '.join(steps)}\n"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", ".github/PULL_REQUEST_TEMPLATE.md"])
def test_pages_name_steps_that_exist(page: str, steps: list[str]) -> None:
    named = [name for line in re.findall(r"\.ci/run((?: [a-z]+)+)", text(page)) for name in line.split()]
    assert named
    assert set(named) <= set(steps)


@pytest.mark.parametrize("name", ["tests", "nightly", "release"])
def test_workflows_may_read_alone_and_end(name: str) -> None:
    found = workflow(name)
    assert found["permissions"] == {"contents": "read"}
    assert found["concurrency"]["group"]
    for job in found["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 120
        for step in job.get("steps", []):
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step.get("uses", "a/b@v1.2.3"))


def test_only_publishing_gets_an_identity_and_waits_for_the_tests() -> None:
    jobs = workflow("release")["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items() if "permissions" in job} == {
        "publish": {"id-token": "write"}
    }
    assert jobs["publish"]["environment"]
    assert set(jobs["publish"]["needs"]) == {"tests", "build"}
    assert jobs["tests"]["uses"] == "./.github/workflows/tests.yml"


def test_what_pages_and_hooks_point_at_exists(project: Any) -> None:
    pages = parsed(".readthedocs.yaml")
    assert (ROOT / pages["sphinx"]["configuration"]).is_file()
    extras = [extra for line in pages["build"]["jobs"]["install"] for extra in re.findall(r"\.\[(.*)\]", line)]
    assert set(",".join(extras).split(",")) <= set(project["optional-dependencies"])
    hooks = [hook for repository in parsed(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    tools = {re.match(r"[\w-]+", each)[0] for each in project["optional-dependencies"]["dev"]}  # type: ignore[index]
    assert {hook["entry"].split()[0] for hook in hooks} <= tools
    assert {"ruff check .", "ruff format --check .", "mypy"} <= {line.strip() for line in text(".ci/run").splitlines()}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "README.md"])
def test_relative_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text(page)):
        assert "://" in link or (ROOT / link).exists(), link
