from .build import build_graph as build_graph
