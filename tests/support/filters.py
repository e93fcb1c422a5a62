"""What FFmpeg's own filters say about a clip, by the library that decodes it."""

from pathlib import Path

import av


def filtered(path: Path, name: str, arguments: str = "") -> list[dict[str, str]]:
    """The metadata that a filter leaves on each frame, as `ffmpeg -i PATH -vf NAME=ARGUMENTS,metadata=print` shows."""
    graph = av.filter.Graph()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        source = graph.add_buffer(template=stream)
        asked, sink = graph.add(name, arguments), graph.add("buffersink")
        source.link_to(asked)
        asked.link_to(sink)
        graph.configure()
        found = []
        for frame in container.decode(stream):
            source.push(frame)
            found.append(dict(sink.pull().metadata))
    return found
