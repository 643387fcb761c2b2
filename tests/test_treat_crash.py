"""A run that is killed between any two steps: carried on or taken back, it ends in one of the two worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plans import NOW, Scene, scene_in
from sampling import one_in

from efsdiag.changes import Consent, Plan, Write
from efsdiag.treat import journal as journal_module
from efsdiag.treat.carry_out import carry_out, undo
from efsdiag.treat.journal import Journal, JournalError, Step, begin, find, unfinished_for
from efsdiag.world.writer import Writer

CHANGES = 6
POINTS = 2 + CHANGES * 5
"""Before and in the middle of the plan's line; and for each change of both its lines, and after the call."""


class Killed(BaseException):
    """The process is gone: nothing is tidied up."""


class Fuse:
    """Kills the run at its n-th point. The points lie before each line, within it, and after each call."""

    def __init__(self, point: int) -> None:
        self.left = point

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def writer(self, *given: Any, **more: Any) -> Writer:
        tick = self.tick

        class Edge(Writer):
            def write(self, write: Write) -> Any:
                answer = super().write(write)
                tick()
                return answer

        return Edge(*given, **more)

    @contextmanager
    def on_lines(self) -> Iterator[None]:
        whole = journal_module._write

        def written(opened: int, line: bytes) -> None:
            self.tick()
            with suppress(Killed):
                self.tick()
                whole(opened, line)
                return
            whole(opened, line[: len(line) // 2])
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal_module, "_write", written)
            yield


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("scene")) as made:
        made.before = made.state()  # type: ignore[attr-defined]
        yield made


def apply(scene: Scene, plan: Plan, folder: Path, kind: Callable[..., Writer] = Writer) -> None:
    journal = unfinished_for(folder, plan.digest) or begin(folder, plan, NOW)
    done = carry_out(plan, Consent(plan.digest), scene.writer(plan, kind), journal, lambda: NOW)
    assert done.error is None


def take_back(scene: Scene, folder: Path, kind: Callable[..., Writer] = Writer) -> Journal | None:
    try:
        journal = find(folder)
    except JournalError:
        return None
    done = undo(journal, scene.writer(journal.plan, kind, undoing=True), lambda: NOW)
    assert done.error is None
    return journal


def killed_at(point: int, run: Callable[..., Any], *given: Any) -> bool:
    """Whether the run was killed before its end."""
    fuse = Fuse(point)
    with fuse.on_lines():
        try:
            run(*given, fuse.writer)
        except Killed:
            return True
    return False


def test_the_points_are_all_that_there_are(scene: Scene, tmp_path: Path) -> None:
    plan = scene.plan()
    assert len(plan.changes) == CHANGES
    assert not killed_at(POINTS + 1, apply, scene, plan, tmp_path)
    take_back(scene, tmp_path)
    assert killed_at(POINTS, apply, scene, plan, tmp_path)
    take_back(scene, tmp_path)
    assert scene.state() == scene.before  # type: ignore[attr-defined]


@pytest.mark.parametrize("point", one_in(2, range(1, POINTS + 1)))
def test_a_plan_that_was_killed_is_carried_on_to_its_end(scene: Scene, point: int, tmp_path: Path) -> None:
    plan = scene.plan()
    killed_at(point, apply, scene, plan, tmp_path)
    apply(scene, plan, tmp_path)
    assert scene.state() == applied(scene)
    journal = find(tmp_path)
    assert set(journal.steps) == {Step.DONE}, "what the killed run made is its own work, and is taken back"
    take_back(scene, tmp_path)
    assert scene.state() == scene.before  # type: ignore[attr-defined]


@pytest.mark.parametrize("point", one_in(2, range(1, POINTS + 1)))
def test_a_plan_that_was_killed_is_taken_back(scene: Scene, point: int, tmp_path: Path) -> None:
    killed_at(point, apply, scene, scene.plan(), tmp_path)
    take_back(scene, tmp_path)
    assert scene.state() == scene.before  # type: ignore[attr-defined]
    with pytest.raises(JournalError, match="nothing-to-undo"):
        find(tmp_path)


@pytest.mark.parametrize("point", one_in(2, range(1, CHANGES * 5 + 1)))
def test_taking_back_that_was_killed_is_carried_on(scene: Scene, point: int, tmp_path: Path) -> None:
    plan = scene.plan()
    apply(scene, plan, tmp_path)
    assert killed_at(point, take_back, scene, tmp_path)
    take_back(scene, tmp_path)
    assert scene.state() == scene.before  # type: ignore[attr-defined]


@given(kills=st.lists(st.tuples(st.booleans(), st.integers(1, POINTS)), min_size=2, max_size=4), forward=st.booleans())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_several_kills_in_a_row_converge_too(
    scene: Scene, kills: list[tuple[bool, int]], forward: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, plan = tmp_path_factory.mktemp("journal"), scene.plan()
    for back, point in kills:
        killed_at(point, *((take_back, scene, folder) if back else (apply, scene, plan, folder)))
    if forward:
        # A plan that was half taken back is no longer gone on with: it is taken back to its end first.
        if not unfinished_for(folder, plan.digest):
            take_back(scene, folder)
        apply(scene, plan, folder)
        assert scene.state() == applied(scene)
    while take_back(scene, folder):
        pass
    assert scene.state() == scene.before  # type: ignore[attr-defined]


def applied(scene: Scene) -> dict[str, Any]:
    """The world as the plan wants it."""
    return {
        "labels": {"fixed": "yes"},
        "class": "efs.csi.aws.com",
        "rules": [(2049, [scene.node_group])],
        "targets": [(scene.subnet, scene.system)],
        "policies": [{"PolicyName": "efs", "PolicyArn": scene.policy}],
        "names": True,
    }
