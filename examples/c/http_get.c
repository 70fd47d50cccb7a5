/* Fetches a page: looks a name up, connects, and prints what the server sends.
 *
 *   python3 -m ziglang cc --target=wasm32-wasi -O2 http_get.c -o http_get.wasm
 *   wasmetal run --net user http_get.wasm -- example.org 80 / */
#include "wasmedge_socket.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, uint32_t error) {
    fprintf(stderr, "cannot %s: errno %u\n", what, error);
    return 1;
}

int main(int argc, char **argv) {
    const char *host = argc > 1 ? argv[1] : "example.org";
    const char *port = argc > 2 ? argv[2] : "80";
    const char *path = argc > 3 ? argv[3] : "/";

    uint8_t data[26] = {0};
    struct socket_address_data place = {SOCKET_IPV4, sizeof data, data};
    struct socket_address_info hints = {.family = SOCKET_IPV4, .type = SOCKET_STREAM};
    struct socket_address_info info = {.address = &place};
    struct socket_address_info *results = &info;
    uint32_t count = 0;
    uint32_t error = sock_getaddrinfo(host, strlen(host), port, strlen(port), &hints, &results, 1, &count);
    if (error != 0 || count == 0) return fail("find the host", error);
    fprintf(stderr, "%s is %u.%u.%u.%u\n", host, data[2], data[3], data[4], data[5]);

    socket_address address = {data + 2, 4};
    uint32_t fd;
    error = sock_open(SOCKET_IPV4, SOCKET_STREAM, &fd);
    if (error == 0) error = sock_connect(fd, &address, (uint32_t)(data[0] << 8 | data[1]));
    if (error != 0) return fail("connect", error);

    char request[1024];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
    socket_buffer buffer = {request, (size_t)length};
    size_t sent;
    error = sock_send(fd, &buffer, 1, 0, &sent);
    if (error != 0) return fail("send", error);
    for (;;) {
        char bytes[4096];
        socket_buffer chunk = {bytes, sizeof bytes};
        size_t received;
        uint32_t flags;
        error = sock_recv(fd, &chunk, 1, 0, &received, &flags);
        if (error != 0) return fail("receive", error);
        if (received == 0) return 0;
        fwrite(bytes, 1, received, stdout);
    }
}
