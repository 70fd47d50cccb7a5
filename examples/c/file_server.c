/* A web server for the files of a folder, which it reads once and keeps.
 *
 *   python3 -m ziglang cc --target=wasm32-wasi -O2 file_server.c -o file_server.wasm
 *   wasmetal run --bake ./www::/www --net tap=tap0 --ip 10.0.0.2/24 file_server.wasm -- /www 1234
 *
 * It knows GET and HEAD, keeps connections open as HTTP/1.1 says, and tells the content type by the file's name. */
#include "poll_loop.h"
#include <strings.h>
#include <sys/stat.h>

enum { MAX_FILES = 256 };

typedef struct {
    char *path;
    char *bytes;
    size_t length;
    /* The head of an answer, for connections that stay open and for those that close. */
    char head[2][192];
    size_t head_length[2];
} file;

static const char *root = "/www";
static file files[MAX_FILES];
static size_t file_count;

static const char *content_type(const char *path) {
    static const char *types[][2] = {{".html", "text/html"},      {".css", "text/css"},   {".js", "text/javascript"},
                                     {".png", "image/png"},       {".jpg", "image/jpeg"}, {".svg", "image/svg+xml"},
                                     {".json", "application/json"}, {".txt", "text/plain"}, {".wasm", "application/wasm"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i][0]) == 0) return types[i][1];
    return "application/octet-stream";
}

static void write_heads(file *f) {
    for (int close = 0; close < 2; close++) {
        int length = snprintf(f->head[close], sizeof f->head[close],
                              "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n", content_type(f->path), f->length,
                              close ? "Connection: close\r\n" : "");
        f->head_length[close] = (size_t)length;
    }
}

static file *read_file(const char *path) {
    char name[512];
    if (snprintf(name, sizeof name, "%s%s", root, path) >= (int)sizeof name || file_count == MAX_FILES) return NULL;
    struct stat attributes;
    if (stat(name, &attributes) != 0 || !S_ISREG(attributes.st_mode)) return NULL;
    FILE *stream = fopen(name, "rb");
    if (stream == NULL) return NULL;
    file f = {.path = strdup(path), .bytes = malloc((size_t)attributes.st_size + 1), .length = (size_t)attributes.st_size};
    bool is_whole = f.path != NULL && f.bytes != NULL && fread(f.bytes, 1, f.length, stream) == f.length;
    fclose(stream);
    if (!is_whole) {
        free(f.path);
        free(f.bytes);
        return NULL;
    }
    write_heads(&f);
    files[file_count] = f;
    return &files[file_count++];
}

static file *find_file(const char *path) {
    for (size_t i = 0; i < file_count; i++)
        if (strcmp(files[i].path, path) == 0) return &files[i];
    return read_file(path);
}

static answer refuse(const char *status, bool close) {
    static char head[256];
    int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: 0\r\n%s\r\n", status,
                          close ? "Connection: close\r\n" : "");
    return (answer){head, (size_t)length, NULL, 0, close};
}

/* Tells whether the client closes the connection after this request: it says so, or speaks HTTP/1.0. */
static bool is_last_request(const char *request, size_t length) {
    const char *end = request + length;
    for (const char *line = request; line < end;) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        if (line_end == NULL) line_end = end;
        size_t line_length = (size_t)(line_end - line);
        if (line_length > 0 && line[line_length - 1] == '\r') line_length--;
        if (line == request && line_length >= 8 && memcmp(line + line_length - 8, "HTTP/1.0", 8) == 0) return true;
        if (line_length >= 17 && strncasecmp(line, "Connection: close", 17) == 0) return true;
        line = line_end + 1;
    }
    return false;
}

static answer answer_request(const char *request, size_t length) {
    char path[256];
    bool close = is_last_request(request, length);
    bool is_head = length > 5 && memcmp(request, "HEAD ", 5) == 0;
    if (!is_head && (length < 4 || memcmp(request, "GET ", 4) != 0)) return refuse("405 Method Not Allowed", close);
    const char *start = request + (is_head ? 5 : 4);
    size_t path_length = 0;
    while (start + path_length < request + length && strchr(" ?\r", start[path_length]) == NULL) path_length++;
    if (path_length == 0 || path_length + 11 >= sizeof path || start[0] != '/') return refuse("400 Bad Request", close);
    memcpy(path, start, path_length);
    path[path_length] = 0;
    if (path[path_length - 1] == '/') strcpy(path + path_length, "index.html");
    if (strstr(path, "/../") != NULL) return refuse("400 Bad Request", close);
    file *f = find_file(path);
    if (f == NULL) return refuse("404 Not Found", close);
    return (answer){f->head[close], f->head_length[close], f->bytes, is_head ? 0 : f->length, close};
}

int main(int argc, char **argv) {
    if (argc > 1) root = argv[1];
    serve(argc > 2 ? (uint16_t)atoi(argv[2]) : 1234);
}
