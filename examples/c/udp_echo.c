/* Sends every datagram back to where it came from.
 *
 *   python3 -m ziglang cc --target=wasm32-wasi -O2 udp_echo.c -o udp_echo.wasm
 *   wasmetal run --net tap=tap0 --ip 10.0.0.2/24 udp_echo.wasm -- 7 */
#include "wasmedge_socket.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    static const uint8_t any[4] = {0, 0, 0, 0};
    socket_address address = {any, sizeof any};
    uint32_t port = argc > 1 ? (uint32_t)atoi(argv[1]) : 7;
    uint32_t fd;
    uint32_t error = sock_open(SOCKET_IPV4, SOCKET_DATAGRAM, &fd);
    if (error == 0) error = sock_bind(fd, &address, port);
    if (error != 0) {
        fprintf(stderr, "cannot receive on port %u: errno %u\n", port, error);
        return 1;
    }
    fprintf(stderr, "echoing datagrams on port %u\n", port);
    for (;;) {
        static char bytes[2048];
        static uint8_t sender[128];
        socket_buffer buffer = {bytes, sizeof bytes};
        socket_address from = {sender, sizeof sender};
        uint32_t from_port, flags;
        size_t length;
        if (sock_recv_from(fd, &buffer, 1, &from, 0, &from_port, &length, &flags) != 0) continue;
        buffer.length = length;
        error = sock_send_to(fd, &buffer, 1, &from, from_port, 0, &length);
        if (error != 0) fprintf(stderr, "cannot answer: errno %u\n", error);
    }
}
