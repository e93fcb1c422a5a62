from services.smoothing.main import main

main()
