from .cli import docker_environment as docker_environment
