"""Watching: what an edit changes, and what a bad one does not."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from controller.sources import files
from crds.meta import Key

ROUTE = """apiVersion: dragoman.dev/v1alpha1
kind: AIRoute
metadata: {name: NAME}
spec:
  parentRefs: [{name: ai}]
  rules: [{name: a, backendRefs: [{name: b}]}]
"""
BACKEND = """apiVersion: dragoman.dev/v1alpha1
kind: AIBackend
metadata: {name: b}
spec: {provider: OpenAI, auth: {type: None}}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {apiKey: KEY}\n"
KEPT = "its last content goes on serving"


def route(name: str) -> str:
    return ROUTE.replace("NAME", name)


class Watched:
    """Readings as they come; `until` gives the first one that is as asked."""

    def __init__(self, readings: AsyncIterator[files.Reading]) -> None:
        self.readings = readings

    async def until(self, wanted: Callable[[files.Reading], bool]) -> files.Reading:
        async with asyncio.timeout(30):
            async for reading in self.readings:
                if wanted(reading):
                    return reading
        raise AssertionError("watching ended")

    async def routes(self, *wanted: str) -> files.Reading:
        return await self.until(lambda reading: names(reading) == list(wanted))


@asynccontextmanager
async def watching(
    directory: Path, environ: dict[str, str] | None = None
) -> AsyncIterator[Watched]:
    async with aclosing(files.watch(directory, environ or {})) as readings:
        yield Watched(readings)


def names(reading: files.Reading) -> list[str]:
    return [key.name for key in reading.resources.routes]


async def test_the_first_reading_comes_at_once_and_edits_follow(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(route("a"))
    async with watching(tmp_path) as watched:
        await watched.routes("a")
        (tmp_path / "b.yaml").write_text(route("b"))
        await watched.routes("a", "b")
        (tmp_path / "b.yaml").write_text(route("c"))
        await watched.routes("a", "c")
        (tmp_path / "a.yaml").unlink()
        await watched.routes("c")


async def test_an_editor_that_writes_beside_and_renames(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(route("a"))
    async with watching(tmp_path) as watched:
        await watched.routes("a")
        (tmp_path / ".a.yaml.swp").write_text(route("b"))
        (tmp_path / ".a.yaml.swp").rename(tmp_path / "a.yaml")
        await watched.routes("b")


async def test_a_new_folder(tmp_path) -> None:
    async with watching(tmp_path) as watched:
        await watched.routes()
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "a.yaml").write_text(route("a"))
        await watched.routes("a")
        (tmp_path / "deep" / "a.yaml").write_text(route("b"))
        await watched.routes("b")


async def test_an_unreadable_edit_changes_nothing_that_runs(tmp_path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(route("a"))
    async with watching(tmp_path) as watched:
        first = await watched.routes("a")
        path.write_text(route("a")[:40] + "  x: [")
        bad = await watched.until(lambda reading: bool(reading.unreadable))
        assert bad.resources == first.resources
        assert all(each.message.endswith(KEPT) for each in bad.unreadable)
        (tmp_path / "b.yaml").write_text(route("b"))
        still = await watched.routes("a", "b")
        assert still.unreadable == bad.unreadable
        path.write_text(route("c"))
        mended = await watched.routes("b", "c")
        assert mended.unreadable == ()


async def test_an_object_whose_kind_is_mistyped_goes_on_serving(tmp_path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(route("a") + "---\n" + BACKEND)
    async with watching(tmp_path) as watched:
        first = await watched.routes("a")
        path.write_text((route("a") + "---\n" + BACKEND).replace("AIBackend", "AIBckend"))
        bad = await watched.until(lambda reading: bool(reading.unreadable))
        assert bad.resources == first.resources


async def test_a_broken_route_is_taken_out_alone(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(route("a") + "---\n" + route("b"))
    async with watching(tmp_path) as watched:
        await watched.routes("a", "b")
        (tmp_path / "a.yaml").write_text(
            route("a").replace("rules", "ruels") + "---\n" + route("b")
        )
        reading = await watched.routes("b")
        assert [each.key.name for each in reading.resources.broken] == ["a"]


async def test_a_broken_backend_keeps_its_last_content(tmp_path) -> None:
    path, key = tmp_path / "a.yaml", Key("AIBackend", "default", "b")
    path.write_text(BACKEND)
    async with watching(tmp_path) as watched:
        await watched.until(lambda reading: key in reading.resources.backends)
        path.write_text(BACKEND.replace("OpenAI", "OpenIA"))
        bad = await watched.until(lambda reading: bool(reading.problems))
        assert bad.resources.backends[key].spec.provider == "OpenAI"
        assert (
            bad.problems[0].message
            == f"must be one of OpenAI, AzureOpenAI, Anthropic, Gemini, VertexAI, Bedrock, HuggingFace, Cohere, Mistral, OpenAICompatible, HTTP; did you mean OpenAI?; {KEPT}"
        )
        path.write_text(BACKEND.replace("OpenAI", "Anthropic"))
        good = await watched.until(lambda reading: not reading.problems)
        assert good.resources.backends[key].spec.provider == "Anthropic"


async def test_a_broken_secret_keeps_its_last_values(tmp_path) -> None:
    path, key = tmp_path / "a.yaml", Key("Secret", "default", "s")
    path.write_text(SECRET.replace("KEY", "$(A)"))
    async with watching(tmp_path, {"A": "first", "C": "third"}) as watched:
        await watched.until(lambda reading: key in reading.resources.secrets)
        path.write_text(SECRET.replace("KEY", "$(B)"))
        bad = await watched.until(lambda reading: bool(reading.problems))
        assert bad.resources.secrets[key]["apiKey"].reveal() == b"first"
        path.write_text(SECRET.replace("KEY", "$(C)"))
        good = await watched.until(lambda reading: not reading.problems)
        assert good.resources.secrets[key]["apiKey"].reveal() == b"third"


async def test_a_mounted_config_map_is_swapped(tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"..{name}").mkdir()
        (tmp_path / f"..{name}" / "x.yaml").write_text(route(name))
    (tmp_path / "..data").symlink_to("..a")
    (tmp_path / "x.yaml").symlink_to("..data/x.yaml")
    async with watching(tmp_path) as watched:
        await watched.routes("a")
        (tmp_path / "..data_tmp").symlink_to("..b")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        await watched.routes("b")


async def test_the_directory_goes_and_comes_back(tmp_path) -> None:
    directory = tmp_path / "conf"
    directory.mkdir()
    (directory / "a.yaml").write_text(route("a"))
    async with watching(directory) as watched:
        first = await watched.routes("a")
        directory.rename(tmp_path / "away")
        gone = await watched.until(lambda reading: bool(reading.problems))
        assert gone.resources == first.resources
        assert str(gone.problems[0]) == f"{directory}: the directory is gone; {KEPT}"
        directory.mkdir()
        (directory / "b.yaml").write_text(route("b"))
        await watched.routes("b")
        shutil.rmtree(tmp_path / "away")
        (directory / "b.yaml").write_text(route("c"))
        await watched.routes("c")


async def test_unchanged_content_yields_nothing_and_is_not_parsed_again(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(route("a"))
    (tmp_path / "b.yaml").write_text(route("b"))
    async with watching(tmp_path) as watched:
        first = await watched.routes("a", "b")
        (tmp_path / "a.yaml").touch()
        (tmp_path / "notes.txt").write_text("x")
        (tmp_path / "c.yaml").write_text(route("c"))
        second = await anext(watched.readings)
        assert names(second) == ["a", "b", "c"]
        key = Key("AIRoute", "default", "a")
        assert second.resources.routes[key] is first.resources.routes[key]


async def test_a_file_that_is_emptied_and_filled_does_not_flicker(tmp_path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(route("a"))
    seen = []
    async with watching(tmp_path) as watched:
        await watched.routes("a")
        for name in ("b", "c", "d"):
            path.write_bytes(b"")
            path.write_text(route(name))
            async with asyncio.timeout(30):
                async for reading in watched.readings:
                    seen.append(names(reading))
                    if names(reading) == [name]:
                        break
    assert seen == [["b"], ["c"], ["d"]]
