"""The commands `score`, `compare`, `drift` and `identity`: as functions that return plain data, and as a command line.

    python -m services.scoring.commands score CLIP [--identity IMAGE]... [--gates FILE] [--freeze-seconds S] [--series]
        [--json]
    python -m services.scoring.commands compare REFERENCE CLIP [--range full|native] [--align start|size]... [--json]
    python -m services.scoring.commands drift CLIP CLIP... [--identity IMAGE]... [--gates FILE] [--json]
    python -m services.scoring.commands identity IMAGE_A IMAGE_B [--json]
    python -m services.scoring.commands identity --status [--json]

`--fields` tells what the JSON says. A clip is an MP4, MOV, MKV or WebM file, or a folder of PNG pictures. Exit code 0:
measured, whatever the verdict; 2: bad input, or a back-end that is not as the settings ask (`identity --status`), with
one line on stderr.
"""

from services.scoring.commands.fields import FIELDS
from services.scoring.commands.line import main
from services.scoring.commands.reports import BadInput, alike, compared, drifted, gates_of, score

__all__ = ["FIELDS", "BadInput", "alike", "compared", "drifted", "gates_of", "main", "score"]
