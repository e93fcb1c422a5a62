from services.regression.main import main

main()
