/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The gradient in twice the precision of doubles, for few rows.
 *
 * What gradient.c computes from rounded factors has errors of order theta. With
 *
 *     V = W^-1 + sum_t Z_t (I (x) T_t T_t') Z_t' = L L',   Y_j = L^-1 Z_j,
 *     G = an orthonormal basis of L^-1 X,                  f = L^-1 y less its part in G,
 *
 * the sums of gradient.c are Gamma_t = sum_j Y_j'Y_j - [REML] (Y_j'G)(Y_j'G)' - (N / r2)(Y_j'f)(Y_j'f)'
 * and r2 = f'f: nothing is left to do but products, here with all digits. V is dense in rows that
 * share levels, so this is for as few of them as that costs no more than the value does.
 */
#include "factor/twice.h"
#include "linear/linear.h"

#define FEW_ROWS 64

struct smm_by_rows {
    int32_t *row;     /* (n) those of positive weight */
    smm_twice *V;     /* column-major (n x n), lower: V, then L */
    smm_twice *F;     /* column-major (n x m): L^-1 [X y], then G and f */
    smm_twice *Y;     /* column-major (n x maxcols): L^-1 Z_j of one level */
    smm_twice *zT;    /* row-major (n x maxcols) of one term */
    smm_twice *inner; /* (maxcols x m): Y_j'[G f] */
    smm_twice *Gamma; /* column-major (maxcols x maxcols) */
};

int smm_has_few_rows(const smm_design *d) { return d->n <= FEW_ROWS && !d->has_prior; }

static int create(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    size_t n = (size_t)d->n, m = (size_t)smm_width(d), k = (size_t)d->maxcols;
    smm_by_rows *r = smm_alloc(&d->mem, 1, sizeof *r);
    if (!r) return SMM_ENOMEM;
    smm_twice *at = smm_alloc(&d->mem, n * (n + m + 2 * k + 1) + k * (m + k), sizeof *at);
    if (!at) {
        smm_release(&d->mem, r);
        return SMM_ENOMEM;
    }
    r->V = at; /* the first: it owns the memory */
    r->F = r->V + n * n;
    r->Y = r->F + n * m;
    r->zT = r->Y + n * k;
    r->inner = r->zT + n * k;
    r->Gamma = r->inner + k * m;
    r->row = (int32_t *)(r->Gamma + k * k);
    ws->by_rows = r;
    return SMM_OK;
}

void smm_by_rows_destroy(smm_workspace *ws)
{
    if (!ws->by_rows) return;
    smm_release(&ws->design->mem, ws->by_rows->V);
    smm_release(&ws->design->mem, ws->by_rows);
    ws->by_rows = NULL;
}

static smm_twice dot(int64_t n, const smm_twice *a, const smm_twice *b)
{
    smm_twice sum = {0, 0};
    for (int64_t i = 0; i < n; i++) sum = twice_add(sum, twice_multiply(a[i], b[i]));
    return sum;
}

/* V += Z_t (I (x) T T') Z_t' */
static void add_term(smm_workspace *ws, int32_t t, int64_t n)
{
    const smm_design *d = ws->design;
    smm_by_rows *r = ws->by_rows;
    int32_t k = d->cols[t];
    const double *T = ws->T + ws->T_at[t];
    for (int64_t i = 0; i < n; i++) {
        const double *z = d->z[t] + (int64_t)r->row[i] * k;
        for (int32_t c = 0; c < k; c++) {
            smm_twice sum = {0, 0};
            for (int32_t e = c; e < k; e++)
                sum = twice_add(sum, twice_product(z[e], T[e + c * k]));
            r->zT[i * k + c] = sum;
        }
        for (int64_t j = 0; j <= i; j++)
            if (d->refs[t][r->row[i]] == d->refs[t][r->row[j]])
                r->V[i + j * n] =
                    twice_add(r->V[i + j * n], dot(k, r->zT + i * k, r->zT + j * k));
    }
}

/* L of V. Returns SMM_OK, SMM_ENOTPD. */
static int factor_rows(smm_workspace *ws, int64_t n)
{
    const smm_design *d = ws->design;
    smm_by_rows *r = ws->by_rows;
    memset(r->V, 0, sizeof(smm_twice) * (size_t)(n * n));
    for (int64_t i = 0; i < n; i++) {
        smm_twice w = {ws->weights ? ws->weights[r->row[i]] : 1.0, 0};
        r->V[i + i * n] = twice_divide((smm_twice){1, 0}, w);
    }
    for (int32_t t = 0; t < d->nterms; t++) add_term(ws, t, n);
    return smm_twice_factor((int32_t)n, (int32_t)n, n, r->V);
}

/* x = L^-1 x */
static void solve_rows(const smm_by_rows *r, int64_t n, smm_twice *x)
{
    for (int64_t c = 0; c < n; c++) {
        if (x[c].hi == 0) continue;
        x[c] = twice_divide(x[c], r->V[c + c * n]);
        smm_twice_subtract(n - c - 1, x[c], r->V + (c + 1) + c * n, x + c + 1);
    }
}

/* G and f, by the modified Gram-Schmidt process. */
static void solve_fixed(smm_workspace *ws, int64_t n)
{
    const smm_design *d = ws->design;
    smm_by_rows *r = ws->by_rows;
    int32_t p = d->p;
    for (int32_t v = 0; v <= p; v++) {
        smm_twice *x = r->F + v * n;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = r->row[i];
            x[i] = (smm_twice){v < p ? d->X[at * p + v] : ws->y[at], 0};
        }
        solve_rows(r, n, x);
        for (int32_t e = 0; e < v; e++)
            smm_twice_subtract(n, dot(n, r->F + e * n, x), r->F + e * n, x);
        if (v == p) break;
        smm_twice length = twice_root(dot(n, x, x));
        for (int64_t i = 0; i < n; i++) x[i] = twice_divide(x[i], length);
    }
}

/* Gamma += what a level adds. */
static void add_level(smm_workspace *ws, int32_t t, int32_t level, int64_t n, smm_twice precision)
{
    const smm_design *d = ws->design;
    smm_by_rows *r = ws->by_rows;
    int32_t k = d->cols[t], p = d->p, m = p + 1;
    for (int32_t c = 0; c < k; c++) {
        smm_twice *y = r->Y + c * n;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = r->row[i];
            y[i] = (smm_twice){d->refs[t][at] == level ? d->z[t][at * k + c] : 0.0, 0};
        }
        solve_rows(r, n, y);
        for (int32_t v = 0; v < m; v++) r->inner[c * m + v] = dot(n, y, r->F + v * n);
        for (int32_t e = 0; e <= c; e++) {
            const smm_twice *one = r->inner + e * m, *two = r->inner + c * m;
            smm_twice sum = dot(n, r->Y + e * n, y);
            if (ws->reml) sum = twice_less(sum, (smm_twice){1, 0}, dot(p, one, two));
            sum = twice_less(sum, precision, twice_multiply(one[p], two[p]));
            smm_twice *to = r->Gamma + c + e * k;
            *to = twice_add(*to, sum);
        }
    }
}

/* GT_t = Gamma_t T_t */
static void multiply_by_factor(smm_workspace *ws, int32_t t)
{
    int32_t k = ws->design->cols[t];
    const smm_twice *Gamma = ws->by_rows->Gamma;
    const double *T = ws->T + ws->T_at[t];
    for (int32_t c = 0; c < k; c++)
        for (int32_t i = 0; i < k; i++) {
            smm_twice sum = {0, 0};
            for (int32_t e = c; e < k; e++)
                sum = twice_add(sum,
                                twice_scale(Gamma[i > e ? i + e * k : e + i * k], T[e + c * k]));
            ws->GT[ws->T_at[t] + i + c * k] = sum.hi;
        }
}

int smm_differentiate_by_rows(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int status = ws->by_rows ? SMM_OK : create(ws);
    if (status) return status;
    smm_by_rows *r = ws->by_rows;
    int64_t n = 0;
    for (int32_t i = 0; i < d->n; i++)
        if (!ws->weights || ws->weights[i] > 0) r->row[n++] = i;
    status = factor_rows(ws, n);
    if (status) return status;
    solve_fixed(ws, n);
    const smm_twice *f = r->F + d->p * n;
    smm_twice sigma = {ws->sigma, 0}, one = {1, 0}, dof = {smm_dof(ws), 0};
    smm_twice precision = ws->sigma > 0 ? twice_divide(one, twice_multiply(sigma, sigma))
                                        : twice_divide(dof, dot(n, f, f));
    for (int32_t t = 0; t < d->nterms; t++) {
        memset(r->Gamma, 0, sizeof(smm_twice) * (size_t)d->cols[t] * (size_t)d->cols[t]);
        for (int32_t l = 0; l < d->levels[t]; l++) add_level(ws, t, l, n, precision);
        multiply_by_factor(ws, t);
    }
    return SMM_OK;
}
