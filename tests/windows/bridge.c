/* git.exe, cargo.exe or rustc.exe under Wine: asks support/bridge.py for the Linux program of the same name.
   A message is one letter, its length in 4 bytes (little endian), and that many bytes. */
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SOCKET server;
static CRITICAL_SECTION writing;

static int receive(char *to, int size) {
    for (int part; size > 0; to += part, size -= part)
        if ((part = recv(server, to, size, 0)) <= 0) return 0;
    return 1;
}

static void transmit(char kind, const char *bytes, DWORD size) {
    char *message = malloc(size + 5);
    message[0] = kind;
    memcpy(message + 1, &size, 4);
    memcpy(message + 5, bytes, size);
    EnterCriticalSection(&writing);
    for (DWORD sent = 0; sent < size + 5;) {
        int part = send(server, message + sent, (int)(size + 5 - sent), 0);
        if (part <= 0) ExitProcess(125);
        sent += part;
    }
    LeaveCriticalSection(&writing);
    free(message);
}

static void transmit_text(char kind, const wchar_t *text) {
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *bytes = malloc(size);
    WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size, NULL, NULL);
    transmit(kind, bytes, size - 1);
    free(bytes);
}

static DWORD WINAPI transmit_input(void *unused) {
    static char bytes[65536];
    DWORD size;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), bytes, sizeof bytes, &size, NULL) && size)
        transmit('i', bytes, size);
    transmit('e', "", 0);
    return 0;
}

int wmain(int argc, wchar_t **argv) {
    static wchar_t own[32768], folder[32768];
    struct sockaddr_in address = {.sin_family = AF_INET};
    WSADATA data;
    if (WSAStartup(0x202, &data)) return 126;
    InitializeCriticalSection(&writing);
    GetModuleFileNameW(NULL, own, 32768);
    wcscpy(folder, own);
    wcscpy(wcsrchr(folder, L'\\') + 1, L"port"); /* a file beside this program: variables may be filtered */
    FILE *file = _wfopen(folder, L"r");
    int port;
    if (!file || fscanf(file, "%d", &port) != 1) return 126;
    fclose(file);
    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(server, (struct sockaddr *)&address, sizeof address)) return 126;

    GetCurrentDirectoryW(32768, folder);
    transmit_text('n', own);
    transmit_text('c', folder);
    for (int i = 1; i < argc; i++) transmit_text('a', argv[i]);
    for (wchar_t *variable = GetEnvironmentStringsW(); *variable; variable += wcslen(variable) + 1)
        transmit_text('v', variable);
    transmit('g', "", 0);
    CreateThread(NULL, 0, transmit_input, NULL, 0, NULL);

    for (;;) {
        char head[5];
        DWORD size, written;
        if (!receive(head, 5)) ExitProcess(125);
        memcpy(&size, head + 1, 4);
        if (head[0] == 'x') ExitProcess(size);
        char *bytes = malloc(size + 1);
        if (!receive(bytes, (int)size)) ExitProcess(125);
        HANDLE output = GetStdHandle(head[0] == '2' ? STD_ERROR_HANDLE : STD_OUTPUT_HANDLE);
        for (DWORD done = 0; done < size && WriteFile(output, bytes + done, size - done, &written, NULL);)
            done += written;
        free(bytes);
    }
}
