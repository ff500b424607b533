import java.io.IOException;
import java.net.Socket;

final class Sources {
    static Socket connect(String host, int port) throws IOException {
        return new Socket(host, port);
    }
}
