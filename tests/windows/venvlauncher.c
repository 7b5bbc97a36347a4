/* A stand-in for CPython's venvlauncher.exe, which the archive on Maven Central lacks.
   It starts the interpreter named by `home` in pyvenv.cfg with __PYVENV_LAUNCHER__ set to its own path. */
#define UNICODE
#define _UNICODE
#include <windows.h>
#include <stdio.h>
#include <wchar.h>
#ifndef EXE
#define EXE L"python.exe"
#endif

static BOOL WINAPI ignore(DWORD event) { return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT; }

static int fail(const wchar_t *what) {
    fwprintf(stderr, L"venvlauncher: %ls (%lu)\n", what, GetLastError());
    return 103;
}

/* The folder named by `home`; beside the program or one folder above it. */
static int read_home(const wchar_t *self, wchar_t *home) {
    static wchar_t folder[32768], file[32768];
    static char line[65536];
    wcscpy(folder, self);
    for (int level = 0; level < 2; level++) {
        *wcsrchr(folder, L'\\') = 0;
        _snwprintf(file, 32768, L"%ls\\pyvenv.cfg", folder);
        FILE *config = _wfopen(file, L"rb");
        if (!config) continue;
        while (fgets(line, sizeof line, config)) {
            char *value = line + strspn(line, " \t");
            if (strncmp(value, "home", 4)) continue;
            value += 4 + strspn(value + 4, " \t");
            if (*value++ != '=') continue;
            value += strspn(value, " \t");
            value[strcspn(value, "\r\n")] = 0;
            fclose(config);
            return MultiByteToWideChar(CP_UTF8, 0, value, -1, home, 32768);
        }
        fclose(config);
    }
    return 0;
}

int wmain(void) {
    static wchar_t self[32768], program[32768], command[65536];
    if (!GetModuleFileNameW(NULL, self, 32768)) return fail(L"no name");
    if (!read_home(self, program)) return fail(L"no home in pyvenv.cfg");
    wcscat(program, L"\\" EXE);
    SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", self);
    wcsncpy(command, GetCommandLineW(), 65535);

    STARTUPINFOW start;
    ZeroMemory(&start, sizeof start);
    GetStartupInfoW(&start);
    start.dwFlags |= STARTF_USESTDHANDLES;
    HANDLE handles[3] = {GetStdHandle(STD_INPUT_HANDLE), GetStdHandle(STD_OUTPUT_HANDLE), GetStdHandle(STD_ERROR_HANDLE)};
    for (int i = 0; i < 3; i++)
        if (handles[i] && handles[i] != INVALID_HANDLE_VALUE)
            SetHandleInformation(handles[i], HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    start.hStdInput = handles[0];
    start.hStdOutput = handles[1];
    start.hStdError = handles[2];

    HANDLE job = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    ZeroMemory(&limits, sizeof limits);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    SetConsoleCtrlHandler(ignore, TRUE);

    PROCESS_INFORMATION child;
    if (!CreateProcessW(program, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child)) return fail(program);
    AssignProcessToJobObject(job, child.hProcess);
    CloseHandle(child.hThread);
    WaitForSingleObject(child.hProcess, INFINITE);
    DWORD code = 1;
    GetExitCodeProcess(child.hProcess, &code);
    ExitProcess(code);
}
