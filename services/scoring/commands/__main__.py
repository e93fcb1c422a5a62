import sys

from services.scoring.commands import main

sys.exit(main())
