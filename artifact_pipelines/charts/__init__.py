"""Charts: plain values -> a `Chart`, and a `Chart` -> SVG.

A chart says in plain JSON values what to draw, so it is stored with an answer and drawn again elsewhere. Drawing is a
pure function: the same chart gives the same text.

    kind    what a chart shows: bars, a histogram, lines, a heat map, intervals
    mark    a bar, a point or a cell; its value shows under the pointer
    series  marks of one colour, such as all bars of the version before
"""
