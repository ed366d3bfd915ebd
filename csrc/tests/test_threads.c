/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads that share a design, each with handles of its own, get what one thread alone gets;
 * another thread ends a run of fits by its flag. Also run under the thread sanitizer.
 */
#include <pthread.h>
#include <stdlib.h>

#include "check.h"
#include "entries.h"

#define THREADS 4

typedef struct {
    const entries *e;
    const smm_design *design;
    double linear, generalized;
} job;

static void *work(void *arg)
{
    job *j = arg;
    smm_workspace *ws;
    smm_glmm *g;
    for (int i = 0; i < 3; i++) {
        if (entries_linear(j->e, j->design, &ws) || entries_generalized(j->e, j->design, &g))
            abort();
        j->linear = entries_call_linear(j->e, ws);
        j->generalized = entries_call_generalized(j->e, g);
        smm_workspace_destroy(ws);
        smm_glmm_destroy(g);
    }
    return NULL;
}

static void check_shared_design(void)
{
    entries e = entries_make(3, 2);
    smm_design *design = problem_design(&e.x.m);
    job alone = {&e, design, 0, 0}, jobs[THREADS];
    pthread_t threads[THREADS];
    work(&alone);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){&e, design, 0, 0};
        if (pthread_create(&threads[i], NULL, work, &jobs[i])) abort();
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(jobs[i].linear == alone.linear);
        CHECK(jobs[i].generalized == alone.generalized);
    }
    smm_design_destroy(design);
    entries_free(&e);
}

typedef struct {
    smm_workspace *ws;
    const problem *m;
    int64_t count, done;
    int32_t flag;
} run;

static void *refit(void *arg)
{
    run *r = arg;
    const problem *m = r->m;
    size_t count = (size_t)r->count, nt = (size_t)m->ntheta, p = (size_t)m->p;
    double *responses = malloc(sizeof(double) * count * (size_t)m->n);
    double *theta = malloc(sizeof(double) * count * nt),
           *beta = malloc(sizeof(double) * count * p);
    double *inverse = malloc(sizeof(double) * count * p * p);
    double *scalars = malloc(sizeof(double) * count * 6);
    if (!responses || !theta || !beta || !inverse || !scalars) abort();
    for (int64_t i = 0; i < r->count * m->n; i++) responses[i] = m->y[(7 * i + i / m->n) % m->n];
    smm_options options = {.ftol_abs = 1e-10};
    int status = smm_refit(r->ws, r->count, responses, NULL, &options, m->theta, &r->flag, theta,
                           beta, inverse, scalars, &r->done);
    CHECK(status == SMM_OK);
    free(responses);
    free(theta);
    free(beta);
    free(inverse);
    free(scalars);
    return NULL;
}

static void check_flag(void)
{
    entries e = entries_make(4, 2);
    smm_design *design = problem_design(&e.x.m);
    smm_workspace *ws = problem_workspace(design, &e.x.m, NULL, 1, 0);
    run r = {ws, &e.x.m, 20000, -1, 0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, refit, &r)) abort();
    __atomic_store_n(&r.flag, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CHECK(r.done >= 0 && r.done < r.count);
    smm_workspace_destroy(ws);
    smm_design_destroy(design);
    entries_free(&e);
}

int main(void)
{
    check_shared_design();
    check_flag();
    return check_result();
}
