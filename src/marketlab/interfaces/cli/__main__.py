"""`python -m marketlab.interfaces.cli` is the same as `marketlab`."""

from marketlab.interfaces.cli import main

if __name__ == "__main__":
    main()
