from services.studio.main import main

main()
