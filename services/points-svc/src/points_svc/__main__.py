"""python -m points_svc [--only api|consumer|relay|jobs|migrations]. The one thing not to break: importing this package starts nothing."""

from points_svc.main import main

if __name__ == "__main__":
    main()
