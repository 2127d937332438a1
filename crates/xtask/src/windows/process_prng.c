/* Wine 8 has no bcryptprimitives.dll, and std takes its randomness from the one function in it.
   This one lies beside the programs under test, and is no part of a release. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T length)
{
    while (length) {
        ULONG part = length > 0x10000 ? 0x10000 : (ULONG)length;
        if (!SystemFunction036(to, part)) return FALSE;
        to += part;
        length -= part;
    }
    return TRUE;
}
