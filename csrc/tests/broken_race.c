/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two threads write one variable: the thread sanitizer must say so, or a clean run of
 * test_threads means nothing.
 */
#include <pthread.h>
#include <stddef.h>

static int shared;

static void *increment(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) shared++;
    return NULL;
}

int main(void)
{
    pthread_t other;
    if (pthread_create(&other, NULL, increment, NULL)) return 0;
    increment(NULL);
    pthread_join(other, NULL);
    return shared == 7;
}
