"""Watching again, with what an earlier watch left: a restart loses nothing that was serving."""

from contextlib import aclosing
from pathlib import Path

from controller.sources import files
from controller.sources.past import Past
from crds.meta import Key
from tests.sources.test_watch import BACKEND, KEPT, SECRET, names, route

ENVIRON = {"A": "first"}


class Runs:
    """One watch after the other on a directory; each begins with what the last one kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.past = Past()

    def keep(self, past: Past) -> None:
        self.past = past

    async def first_reading(self, environ: dict[str, str] = ENVIRON) -> files.Reading:
        watching = files.watch(self.directory, environ, self.past, self.keep)
        async with aclosing(watching) as readings:
            return await anext(readings)


async def test_an_unreadable_file_goes_on_serving_after_a_restart(tmp_path) -> None:
    runs = Runs(tmp_path)
    (tmp_path / "a.yaml").write_text(route("a"))
    (tmp_path / "b.yaml").write_text(route("b"))
    assert names(await runs.first_reading()) == ["a", "b"]
    (tmp_path / "a.yaml").write_bytes(b"kind: [\xff")
    (tmp_path / "b.yaml").write_text(route("c"))
    for _ in range(2):
        reading = await runs.first_reading()
        assert names(reading) == ["a", "c"]
        assert [each.message.endswith(KEPT) for each in reading.unreadable] == [True]


async def test_a_file_that_is_gone_is_forgotten(tmp_path) -> None:
    runs = Runs(tmp_path)
    (tmp_path / "a.yaml").write_text(route("a"))
    (tmp_path / "b.yaml").write_text(route("b"))
    await runs.first_reading()
    (tmp_path / "a.yaml").unlink()
    assert names(await runs.first_reading()) == ["b"]
    assert set(runs.past.files) == {str(tmp_path / "b.yaml")}


async def test_a_broken_backend_keeps_its_last_content_after_restarts(tmp_path) -> None:
    runs, key = Runs(tmp_path), Key("AIBackend", "default", "b")
    (tmp_path / "a.yaml").write_text(BACKEND)
    await runs.first_reading()
    (tmp_path / "a.yaml").write_text(BACKEND.replace("OpenAI", "OpenIA"))
    for _ in range(3):
        reading = await runs.first_reading()
        assert reading.resources.backends[key].spec.provider == "OpenAI"
        assert reading.problems[0].message.endswith(KEPT)
    (tmp_path / "a.yaml").write_text(BACKEND.replace("OpenAI", "Anthropic"))
    reading = await runs.first_reading()
    assert reading.resources.backends[key].spec.provider == "Anthropic"
    assert runs.past.objects == {}


async def test_names_of_the_environment_are_kept_and_values_are_not(tmp_path) -> None:
    runs, key = Runs(tmp_path), Key("Secret", "default", "s")
    (tmp_path / "a.yaml").write_text(SECRET.replace("KEY", "$(A)"))
    await runs.first_reading()
    (tmp_path / "a.yaml").write_text(SECRET.replace("KEY", "$(NOT_SET)"))
    reading = await runs.first_reading()
    assert reading.resources.secrets[key]["apiKey"].reveal() == b"first"
    assert "first" not in repr(runs.past)


async def test_a_directory_that_is_gone_goes_on_serving_after_a_restart(tmp_path) -> None:
    directory = tmp_path / "conf"
    directory.mkdir()
    runs = Runs(directory)
    (directory / "a.yaml").write_text(route("a"))
    await runs.first_reading()
    directory.rename(tmp_path / "away")
    reading = await runs.first_reading()
    assert names(reading) == ["a"]
    assert [each.message for each in reading.problems] == [f"the directory is gone; {KEPT}"]
