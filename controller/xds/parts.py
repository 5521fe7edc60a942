"""Parts: the clusters and internal listeners that each target is made of.

Most targets are one cluster. One with a picker has more (`picking`), and so has a mirror: a copy is
a request of Envoy's own, behind which there is no connection, and without one Envoy leaves out
`dragoman.egress`. So a copy goes through an internal listener and comes to its endpoint as a
request that has one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from betterproto2 import Message
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.listener.v3 import Listener

from controller import ir, names
from controller.settings import BuildSettings
from controller.xds import chain, clusters, inner, passage, picking


class Part(NamedTuple):
    """One resource to be: what makes it, and of which target."""

    make: Callable[[ir.Target, BuildSettings], Message]
    target: ir.Target


def clusters_of(targets: Sequence[ir.Target]) -> Iterator[tuple[str, Part]]:
    """The clusters that targets are made of, by name."""
    for target in targets:
        if target.picker is not None:
            yield target.name, Part(picking.entrance, target)
            yield names.picked(target.name), Part(picking.picked, target)
            if target.picker.fails_open:
                yield names.unpicked(target.name), Part(picking.trying, target)
        elif target.copies is not None:
            yield target.name, Part(_copied, target)
            yield names.judged(target.name), Part(_judged, target)
        else:
            yield target.name, Part(clusters.build, target)


def listeners_of(targets: Sequence[ir.Target]) -> Iterator[tuple[str, Part]]:
    """The internal listeners that targets are made of, by name."""
    for target in targets:
        if target.picker is not None:
            yield names.picking(target.name), Part(_picking, target)
            if target.picker.fails_open:
                yield names.unpicked(target.name), Part(_going_on, target)
        elif target.copies is not None:
            yield names.judged(target.name), Part(_leading_on, target)


def pickers_of(targets: Sequence[ir.Target]) -> Iterator[tuple[str, ir.Picker]]:
    """The pickers of targets, by the names of their clusters."""
    return ((each.picker.name, each.picker) for each in targets if each.picker is not None)


def _copied(target: ir.Target, settings: BuildSettings) -> Cluster:
    """A mirror's own cluster: it makes and counts copies; who fails is judged where they end."""
    way = target.name, names.judged(target.name)
    made = passage.inward(target, settings, way, chain.inward(target))
    made.outlier_detection = None
    return made


def _judged(target: ir.Target, settings: BuildSettings) -> Cluster:
    """Where copies end: no guard learns who fails there, so a lone endpoint may be passed over."""
    made = passage.onward(target, settings, names.judged(target.name))
    if made.outlier_detection is not None:
        made.outlier_detection.max_ejection_percent = 99
    return made


def _picking(target: ir.Target, _: BuildSettings) -> Listener:
    return inner.picking(target)


def _going_on(target: ir.Target, _: BuildSettings) -> Listener:
    return inner.going_on(target)


def _leading_on(target: ir.Target, _: BuildSettings) -> Listener:
    return inner.leading_on(target)
