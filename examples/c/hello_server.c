/* The smallest web server: every request gets "Hello, wasm!". It measures the network and nothing else.
 *
 *   python3 -m ziglang cc --target=wasm32-wasi -O2 hello_server.c -o hello_server.wasm
 *   wasmetal run --net tap=tap0 --ip 10.0.0.2/24 hello_server.wasm -- 1234 */
#include "poll_loop.h"

static answer answer_request(const char *request, size_t length) {
    (void)request;
    (void)length;
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\n";
    return (answer){head, sizeof head - 1, "Hello, wasm!", 12, false};
}

int main(int argc, char **argv) {
    serve(argc > 1 ? (uint16_t)atoi(argv[1]) : 1234);
}
