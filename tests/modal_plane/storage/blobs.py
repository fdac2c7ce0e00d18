"""Bytes over HTTP: what is too large for a message, and the blocks of a Volume's files."""

import hashlib

from aiohttp import web
from modal_proto import api_pb2 as pb

from tests.modal_plane.ids import new_id
from tests.modal_plane.rpc.listeners import listen

BLOCK = 8 * 1024 * 1024


class Blobs:
    """Keeps blobs by name; `url` is where they are put and got."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_put("/{name}", self._put)
        app.router.add_get("/{name}", self._get)
        self._runner = web.AppRunner(app, access_log=None)
        self.url = await listen(self._runner)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def keep(self, content: bytes) -> str:
        """Keep `content` by its own digest; where it can be got."""
        name = hashlib.sha256(content).hexdigest()
        self.kept[name] = content
        return self.address(name)

    def address(self, name: str) -> str:
        return f"{self.url}/{name}"

    async def blob_create(self, request: pb.BlobCreateRequest) -> pb.BlobCreateResponse:
        name = new_id("bl")
        urls = pb.UploadUrlList(items=[self.address(name)])
        return pb.BlobCreateResponse(blob_ids=[name], upload_urls=urls)

    async def blob_get(self, request: pb.BlobGetRequest) -> pb.BlobGetResponse:
        return pb.BlobGetResponse(download_url=self.address(request.blob_id))

    async def _put(self, request: web.Request) -> web.Response:
        name, content = request.match_info["name"], await request.read()
        self.kept[name] = content
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return web.Response(headers={"ETag": f'"{etag}"'}, body=name.encode())

    async def _get(self, request: web.Request) -> web.Response:
        return web.Response(body=self.kept[request.match_info["name"]])
