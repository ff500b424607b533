def connect(client, host, port):
    return client.connect(host, port)
