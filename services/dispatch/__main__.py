from services.dispatch.main import main

if __name__ == "__main__":  # the decoding pool's processes import this module too
    main()
