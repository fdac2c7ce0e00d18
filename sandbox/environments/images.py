"""Which image the trees of a base are made of: the one that it asks for, where that can be had."""

from dataclasses import replace

from graph import Environment, LeftOut
from graph.errors import SandboxError
from sandbox.core.protocol import Sandboxes, TreeSpec
from sandbox.discovery.repository_config import RepositoryConfig


async def take_image(
    sandboxes: Sandboxes, run_id: str, tree: TreeSpec, config: RepositoryConfig
) -> RepositoryConfig:
    """With the image as trees are opened with it, tried once; without, and told, where it fails."""
    if not config.image:
        return config
    name = f"image-{tree.base.moved}"
    try:
        image = await sandboxes.take_image(config.image)
        try:
            spec = replace(tree, name=name, environment=Environment(image=image))
            await sandboxes.open(run_id, spec)
        finally:
            await sandboxes.discard(run_id, name)
    except SandboxError as error:
        why = f"{error.message.rstrip('.')}. {error.hint}"
        left = LeftOut(what=f"the image {config.image}", why=why)
        return replace(config, image="", left_out=(*config.left_out, left))
    return replace(config, image=image, image_name=config.image)
