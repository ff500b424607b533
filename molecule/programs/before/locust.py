import locust


class SourceUser(locust.HttpUser):
    abstract = True
