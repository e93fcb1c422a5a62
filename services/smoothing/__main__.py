from services.smoothing.commands import main

raise SystemExit(main())
