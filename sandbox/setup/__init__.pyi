from .networked import networked_set_up as networked_set_up
