from deploy.local.main import main

if __name__ == "__main__":
    main()
