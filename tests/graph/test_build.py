"""The graph as LangGraph Studio draws it and asks for its input."""

from typing import Any, get_args

import pytest
from langgraph.graph.state import CompiledStateGraph

from graph.machine.build import build_graph
from graph.values import NodeName
from tests.standins.services.scripted_services import Script


@pytest.fixture
def compiled() -> CompiledStateGraph[Any]:
    return build_graph(Script().services()).compile()


def test_the_picture_has_the_nodes_alone_and_words_on_its_edges(
    compiled: CompiledStateGraph[Any],
) -> None:
    drawn = compiled.get_graph()
    assert set(drawn.nodes) == {*get_args(NodeName), "__start__", "__end__"}
    assert all(edge.data for edge in drawn.edges if edge.source != "__start__")
    connected = {place for edge in drawn.edges for place in (edge.source, edge.target)}
    assert connected == set(drawn.nodes)


def test_each_input_and_each_channel_has_a_title_and_a_description(
    compiled: CompiledStateGraph[Any],
) -> None:
    for schema in (compiled.get_input_jsonschema(), compiled.get_output_jsonschema()):
        for name, field in schema["properties"].items():
            assert field.get("title") or "$ref" in field, name  # titled where it is defined
            assert field.get("description"), name
