"""A drawing of the rooms as SVG: who stands on whom, the command line above, the ground below.

Arrows that follow from others are left out, so that what is drawn can be followed with the eye; the
table of all imports stands beside it. An arrow that passes a layer keeps a place of its own there,
so that none runs behind a box.
"""

import itertools
from html import escape

from rooms import Room, imports_of, layers_of, shortest

BOX_W, BOX_H, LANE_W, GAP_X, GAP_Y = 132, 46, 26, 22, 36
SWEEPS = 40
# A box, or the place of an arrow in a layer that it only passes.
Place = str | tuple[str, str, int]


def drawing(rooms: dict[str, Room]) -> str:
    """The drawing in one line, so that Markdown takes it for one block."""
    imports = imports_of(rooms)
    layers, chains = _places(imports)
    xs = _across(layers, chains)
    height = len(layers) * (BOX_H + GAP_Y) - GAP_Y
    left = min(xs[place] - _width(place) / 2 for layer in layers for place in layer)
    right = max(xs[place] + _width(place) / 2 for layer in layers for place in layer)
    tops = {
        place: (len(layers) - 1 - number) * (BOX_H + GAP_Y)
        for number, layer in enumerate(layers)
        for place in layer
    }
    parts = [
        f'<svg class="rooms" viewBox="{left - 8:.0f} -8 {right - left + 16:.0f} {height + 16:.0f}" '
        'role="img" aria-label="Rooms of the package, each above the rooms that it imports">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
    ]
    parts += [_arrow(chain, xs, tops, rooms) for chain in chains]
    parts += [_box(room, xs[name], tops[name]) for name, room in rooms.items()]
    return "".join([*parts, "</svg>"])


def _places(imports: dict[str, set[str]]) -> tuple[list[list[Place]], list[list[Place]]]:
    """What stands in each layer, the lowest first, and the places along each arrow, from above."""
    layers: list[list[Place]] = [sorted(layer) for layer in layers_of(imports)]
    number_of = {name: number for number, layer in enumerate(layers) for name in layer}
    chains: list[list[Place]] = []
    for name, used in shortest(imports).items():
        for one in sorted(used):
            passed = range(number_of[name] - 1, number_of[one], -1)
            between: list[Place] = [(name, one, number) for number in passed]
            for place, number in zip(between, passed, strict=True):
                layers[number].append(place)
            chains.append([name, *between, one])
    return layers, chains


def _width(place: Place) -> int:
    return BOX_W if isinstance(place, str) else LANE_W


def _across(layers: list[list[Place]], chains: list[list[Place]]) -> dict[Place, float]:
    """Where each place stands from left to right: near what it is joined to."""
    joined: dict[Place, list[Place]] = {}
    for chain in chains:
        for upper, lower in itertools.pairwise(chain):
            joined.setdefault(upper, []).append(lower)
            joined.setdefault(lower, []).append(upper)
    xs: dict[Place, float] = {}
    for layer in layers:
        _settle(layer, {}, xs)
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 else reversed(layers):
            wanted = {
                place: sum(xs[other] for other in joined[place]) / len(joined[place])
                for place in layer
                if joined.get(place)
            }
            layer.sort(key=lambda place: wanted.get(place, xs[place]))
            _settle(layer, wanted, xs)
    return xs


def _settle(layer: list[Place], wanted: dict[Place, float], xs: dict[Place, float]) -> None:
    """Give each its wanted place where that is free, in order, and share what must be pushed."""
    ends: list[list[float]] = []  # of each group that touches: sum of offsets wanted, width, count
    groups: list[list[Place]] = []
    for place in layer:
        group, width = [place], _width(place) + GAP_X
        at = wanted.get(place, xs.get(place, 0.0)) - width / 2
        total, count = at, 1.0
        while groups and ends[-1][0] / ends[-1][2] + ends[-1][1] > total / count:
            before, (sum_, wide, num) = groups.pop(), ends.pop()
            total, count = sum_ + total - count * wide, num + count
            group, width = before + group, wide + width
        groups.append(group)
        ends.append([total, width, count])
    for group, (total, _, count) in zip(groups, ends, strict=True):
        at = total / count
        for place in group:
            xs[place] = at + (_width(place) + GAP_X) / 2
            at += _width(place) + GAP_X


def _arrow(
    chain: list[Place], xs: dict[Place, float], tops: dict[Place, int], rooms: dict[str, Room]
) -> str:
    start, *between, end = chain
    points = [(xs[start], tops[start] + BOX_H)]
    for place in between:
        points += [(xs[place], tops[place]), (xs[place], tops[place] + BOX_H)]
    points.append((xs[end], tops[end]))
    path = f"M{points[0][0]:.0f} {points[0][1]}"
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        middle = (y1 + y2) / 2
        path += f"C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2}"
    said = f"{start} imports {end}: {rooms[str(start)].imports[str(end)]} times"
    return f'<path class="arrow" d="{path}" marker-end="url(#tip)"><title>{said}</title></path>'


def _box(room: Room, x: float, top: float) -> str:
    number = len(room.modules)
    said = escape(room.docstring.split("\n\n")[0].replace("\n", " ") or "modules of no room")
    return (
        f'<a href="{room.name}.html"><g class="box" transform="translate({x - BOX_W / 2:.0f} '
        f'{top:.0f})"><title>{said}</title><rect width="{BOX_W}" height="{BOX_H}" rx="7"/>'
        f'<text class="name" x="{BOX_W / 2:.0f}" y="20">{room.name}</text>'
        f'<text class="size" x="{BOX_W / 2:.0f}" y="36">{number} '
        f"module{'s' * (number != 1)}</text></g></a>"
    )


def matrix(rooms: dict[str, Room]) -> str:
    """All imports between rooms: a row imports a column so many times."""
    head = "".join(f'<th scope="col"><span>{name}</span></th>' for name in rooms)
    rows = ""
    for name, room in rooms.items():
        cells = "".join(
            '<td class="self"></td>' if other == name else f"<td>{room.imports[other] or ''}</td>"
            for other in rooms
        )
        rows += f'<tr><th scope="row"><a href="{name}.html">{name}</a></th>{cells}</tr>'
    return (
        f'<div class="matrix"><table class="imports"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
