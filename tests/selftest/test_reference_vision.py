"""The reference server's eyes: every format, every mode, exact prices, and clear words for what is no image."""

from __future__ import annotations

import base64
import io
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from reference_client import OFF, app_client, ask, body, content, user

from ernie_conformance.reference import vision
from ernie_conformance.reference.vision import smart_resize

CHAT = "/v1/chat/completions"


@pytest.fixture
def client() -> httpx.AsyncClient:
    return app_client()


def uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def shows(url: str, **detail: str) -> list[dict[str, Any]]:
    return user([{"type": "image_url", "image_url": {"url": url, **detail}}, {"type": "text", "text": "看图"}])


def red(width: int = 56, height: int = 56, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (width, height), (220, 30, 30)).convert(mode)


async def price(client: httpx.AsyncClient, messages: Any) -> int:
    return int((await ask(client, messages, max_tokens=1))["usage"]["prompt_tokens"])


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((1024, 598), 777), ((1024, 683), 888), ((1024, 576), 777), ((1024, 768), 999), ((768, 512), 486), ((640, 427), 345),
        ((1024, 593), 777), ((512, 512), 324), ((682, 1024), 888), ((28, 28), 4), ((1, 1), 4),
    ],
)  # fmt: skip
async def test_an_image_costs_what_its_size_says(client: httpx.AsyncClient, size: tuple[int, int], tokens: int) -> None:
    without = await price(client, user([{"type": "text", "text": "看图"}]))
    assert await price(client, shows(uri(encoded(red(*size))))) - without == tokens + 2


@pytest.mark.parametrize(
    "size", [(1, 1), (6, 511), (8000, 20), (20, 8000), (10_000, 4_000), (1, 9000), (28, 28), (5000, 25)]
)
def test_the_resize_keeps_within_its_limits(size: tuple[int, int]) -> None:
    width, height = smart_resize(*size)
    assert width % 28 == height % 28 == 0
    assert 4 * 784 <= width * height <= 6177 * 784


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", mode) for mode in ("RGB", "L", "P", "1", "RGBA", "LA")),
        *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
        *(("WEBP", mode) for mode in ("RGB", "L", "RGBA")),
        *(("GIF", mode) for mode in ("RGB", "L", "P", "RGBA")),
        *(("BMP", mode) for mode in ("RGB", "L", "P", "1")),
    ],
)
async def test_formats_and_modes(client: httpx.AsyncClient, kind: str, mode: str) -> None:
    answer = await ask(client, shows(uri(encoded(red(90, 60, mode), kind))), **OFF)
    assert "90×60" in answer["choices"][0]["message"]["content"]
    plain = await price(client, shows(uri(encoded(red(90, 60)))))
    assert answer["usage"]["prompt_tokens"] == plain


def test_a_very_long_image_is_clamped() -> None:
    assert smart_resize(8000, 20) == (8008, 28)
    assert smart_resize(30, 9000) == (56, 8988)


async def test_what_is_transparent_lies_over_white(client: httpx.AsyncClient) -> None:
    clear = Image.new("RGBA", (56, 56), (0, 0, 0, 0))
    assert "56×56，白" in await content(client, shows(uri(encoded(clear))))


async def test_exif_rotation_is_applied(client: httpx.AsyncClient) -> None:
    for scale in (1, 50):
        image = red(80 * scale, 40 * scale)
        image.paste("blue", (0, 0, 30 * scale, 40 * scale))
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90 degrees to see it upright: what was left is above
        answer = await content(client, shows(uri(encoded(image, "JPEG", exif=exif), "image/jpeg")))
        assert f"{40 * scale}×{80 * scale}，蓝 蓝 蓝 / " in answer
        assert "/ 红 红 红" in answer


async def test_a_large_image_is_seen(client: httpx.AsyncClient) -> None:
    image = Image.new("RGBA", (6000, 3000), (30, 60, 220, 255))
    image.paste((0, 0, 0, 0), (0, 0, 6000, 1000))
    assert "6000×3000，白 白 白 / 蓝 蓝 蓝" in await content(client, shows(uri(encoded(image))))


async def test_the_first_frame_of_an_animation_counts(client: httpx.AsyncClient) -> None:
    frames = [Image.new("RGB", (56, 56), colour) for colour in ("lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    answer = await content(client, shows(uri(data, "image/gif")))
    assert "绿" in answer
    assert "蓝" not in answer


async def test_tolerated_ways_to_write_a_data_uri(client: httpx.AsyncClient) -> None:
    data = encoded(red())
    text = base64.b64encode(data).decode()
    for url in (
        f"data:image/png;base64,{text.rstrip('=')}",
        f"data:image/jpeg;base64,{text}",
        f"data:;base64,{text}",
        f"DATA:image/png;base64,{text}",
        f"data:image/png;charset=utf-8;base64,{text[:40]}\n{text[40:]}",
    ):
        assert "红" in await content(client, shows(url))


@pytest.mark.parametrize("detail", ["auto", "low", "high"])
async def test_detail_is_taken(client: httpx.AsyncClient, detail: str) -> None:
    assert "红" in await content(client, shows(uri(encoded(red())), detail=detail))


PNG = encoded(red())
BAD_URLS = {
    "not base64": "data:image/png;base64,@@@", "odd length": "data:image/png;base64,A", "empty": "data:image/png;base64,",
    "no comma": "data:image/png;base64", "plain": "data:image/png,hello", "text": uri(b"just some words, no image at all"),
    "svg": uri(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "truncated PNG": uri(PNG[: len(PNG) // 2]),
    "truncated JPEG": uri(encoded(red(300, 300), "JPEG")[:400]),
    "noise after a signature": uri(PNG[:16] + bytes(range(256))),
    "http": "http://127.0.0.1:9/a.png", "https": "https://example.com/a.png", "ftp": "ftp://example.com/a.png",
    "file": "file:///etc/hostname", "path": "/etc/hostname", "nothing": "", "base64 alone": base64.b64encode(PNG).decode(),
    "link-local": "http://169.254.169.254/latest/meta-data",
}  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_no_image_is_refused(client: httpx.AsyncClient, url: str, stream: bool) -> None:
    response = await client.post(CHAT, json=body(shows(url), stream=stream))
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == "messages[0].content[0].image_url.url"
    if not url.lower().startswith("data:"):
        assert "data URI" in error["message"]
    assert "0x" not in error["message"]


@pytest.mark.parametrize("image", [None, "http://x", {}, {"url": None}, {"url": 5}, {"url": uri(PNG), "detail": "huge"}])
async def test_a_malformed_image_part_is_refused(client: httpx.AsyncClient, image: Any) -> None:
    response = await client.post(CHAT, json=body(user([{"type": "image_url", "image_url": image}])))
    assert response.status_code == 400
    assert "messages[0].content[0]" in response.json()["error"]["message"]


async def test_nothing_is_fetched_or_opened(client: httpx.AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/a.png", f"http://localhost:{port}/", path.as_uri(), str(path)):
            assert (await client.post(CHAT, json=body(shows(url)))).status_code == 400
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_a_decompression_bomb_is_refused(client: httpx.AsyncClient) -> None:
    bomb = encoded(Image.new("1", (8_000, 8_000)))
    response = await client.post(CHAT, json=body(shows(uri(bomb))))
    assert response.status_code == 400
    assert "50000000" in response.json()["error"]["message"]


async def test_images_in_every_turn_count(client: httpx.AsyncClient) -> None:
    part = shows(uri(PNG))[0]["content"]
    turns = [{"role": "system", "content": part}, *user(part), {"role": "assistant", "content": "一张图"}, *user("还有吗？")]
    answer = await ask(client, turns, **OFF)
    bare = [{**turn, "content": [one for one in turn["content"] if one["type"] == "text"]} for turn in turns[:2]]
    without = await price(client, [*bare, *turns[2:]])
    assert answer["usage"]["prompt_tokens"] - without == 2 * 6
    assert "图2（56×56，红）" in answer["choices"][0]["message"]["content"]


async def test_the_same_image_twice_costs_the_same(client: httpx.AsyncClient) -> None:
    assert len({await price(client, shows(uri(PNG))) for _ in range(3)}) == 1


async def test_an_image_needs_no_text(client: httpx.AsyncClient) -> None:
    assert "红" in await content(client, user([{"type": "image_url", "image_url": {"url": uri(PNG)}}]))


async def test_a_hundred_images_and_no_more(client: httpx.AsyncClient) -> None:
    part = {"type": "image_url", "image_url": {"url": uri(PNG)}}
    assert (await client.post(CHAT, json=body(user([part] * 100), max_tokens=1))).status_code == 200
    response = await client.post(CHAT, json=body(user([part] * 101)))
    assert response.status_code == 400
    assert "100" in response.json()["error"]["message"]


async def test_a_text_server_takes_no_images() -> None:
    response = await app_client(enable_mm=False).post(CHAT, json=body(shows(uri(PNG))))
    assert response.status_code == 400
    assert "--enable-mm" in response.json()["error"]["message"]


def test_a_defect_of_the_eyes_themselves_is_no_mistake_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(_: Image.Image) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(vision, "_see", blind)
    with pytest.raises(ZeroDivisionError):
        vision.look(encoded(red()), "content")
