/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The solution at theta and the exact gradient of the profiled objective (pls.c).
 *
 * With e = Z'W(y - X beta - Z Lambda u), S = Z'V^-1 Z, H = Z'V^-1 X and
 * M = (X'V^-1 X)^-1, the derivative with respect to Sigma_t = T_t T_t' is
 *
 *     Gamma_t = sum_j S_jj - [REML] H_j M H_j' - (N / r2) e_j e_j',
 *
 * and the gradient is the free part of 2 Gamma_t T_t. S Lambda = A Lambda Omega^-1 needs
 * the selected inverse only, and stays exact when T is singular. With a prior Q other than I,
 * sums of S_jj, H_j M H_j' and e_j e_j' are traces with Q^-1 over pairs of levels, and
 * e = Lambda^-T Q u turns them into the same expressions of u and C.
 */
#include "linear/linear.h"

/* Large rows of out, row-major with m columns, are those of T'out = Q in, where the last value has
 * twice the digits. */
static void from_large(const smm_workspace *ws, const double *in, double *out, int32_t m)
{
    const smm_design *d = ws->design;
    for (int32_t t = 0; ws->exact && t < d->nterms; t++) {
        int prior = d->has_prior && smm_is_large(ws, t, 0);
        if (prior) smm_multiply_prior(d, t, in, out, m, 0, m);
        smm_divide_lambda_t(ws, t, 1, prior ? out : in, out, m);
    }
}

/* M = (X'V^-1 X)^-1 from R, full and symmetric. */
void smm_invert_xvx(smm_workspace *ws)
{
    int32_t p = ws->design->p, m = p + 1;
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = c; r < p; r++) ws->Minv[r + (size_t)c * p] = ws->R[r + (size_t)c * m];
    smm_potri(&ws->design->blas, p, ws->Minv, p);
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = c; r < p; r++) ws->Minv[c + (size_t)r * p] = ws->Minv[r + (size_t)c * p];
}

void smm_solve_linear_modes(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    const double *R = ws->R;
    for (int32_t c = p - 1; c >= 0; c--) {
        double sum = R[p + (size_t)c * m];
        for (int32_t r = c + 1; r < p; r++) sum -= R[r + (size_t)c * m] * ws->beta[r];
        ws->beta[c] = sum / R[c + (size_t)c * m];
    }
    smm_invert_xvx(ws);
    for (int64_t i = 0; i < d->q; i++) {
        const double *Bi = ws->B + i * m;
        double sum = Bi[p];
        for (int32_t v = 0; v < p; v++) sum -= Bi[v] * ws->beta[v];
        ws->u[i] = sum;
    }
    smm_backward(ws, ws->u, 1);
    smm_apply_lambda(ws, ws->u, ws->b, 1);
    smm_multiply_a(ws, ws->b, ws->e, 1, NULL);
    for (int64_t i = 0; i < d->q; i++) {
        const double *z = ws->ZXy + i * m;
        double sum = z[p];
        for (int32_t v = 0; v < p; v++) sum -= z[v] * ws->beta[v];
        ws->e[i] = sum - ws->e[i];
    }
    from_large(ws, ws->u, ws->e, 1);
}

/* H = Z'V^-1 X = Z'WX - A Lambda C with C = Omega^-1 Lambda'Z'WX, row-major (q x p). Priors and
 * values with twice the digits leave C, others Lambda C. */
static void solve_fixed(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    for (int64_t i = 0; i < d->q; i++)
        memcpy(ws->C + i * p, ws->B + i * m, sizeof(double) * (size_t)p);
    smm_backward(ws, ws->C, p);
    smm_apply_lambda(ws, ws->C, ws->C, p);
    smm_multiply_a(ws, ws->C, ws->H, p, NULL);
    for (int64_t i = 0; i < d->q; i++)
        for (int32_t v = 0; v < p; v++) ws->H[i * p + v] = ws->ZXy[i * m + v] - ws->H[i * p + v];
    if (!d->has_prior && !ws->exact) return;
    for (int64_t i = 0; i < d->q; i++)
        memcpy(ws->C + i * p, ws->B + i * m, sizeof(double) * (size_t)p);
    smm_backward(ws, ws->C, p);
    from_large(ws, ws->C, ws->H, p);
}

/* F (ka x ka) += A1 T Z1 for a coupling seen from one side: with A (kr x kc) and Z of the
 * same shape, side 0 is A' T_r Z (kc x kc), side 1 is A T_c Z' (kr x kr). */
static inline void add_product(int32_t kr, int32_t kc, const double *SMM_RESTRICT A,
                               const double *SMM_RESTRICT T, const double *SMM_RESTRICT Z,
                               int32_t ldz, int side, double *SMM_RESTRICT tmp,
                               double *SMM_RESTRICT F)
{
    int32_t in = side ? kc : kr, out = side ? kr : kc;
    for (int32_t c = 0; c < out; c++)
        for (int32_t r = 0; r < in; r++) {
            double sum = 0;
            for (int32_t e = 0; e <= r; e++)
                sum += T[r + e * in] * (side ? Z[c + (int64_t)e * ldz] : Z[e + (int64_t)c * ldz]);
            tmp[r + c * in] = sum;
        }
    for (int32_t c = 0; c < out; c++)
        for (int32_t r = 0; r < out; r++) {
            double sum = 0;
            for (int32_t e = 0; e < in; e++)
                sum += (side ? A[r + e * kr] : A[e + r * kr]) * tmp[e + c * in];
            F[r + c * out] += sum;
        }
}

/* F (k x k) += A T Z for one diagonal block. */
static inline void add_diagonal(int32_t k, const double *SMM_RESTRICT A,
                                const double *SMM_RESTRICT T, const double *SMM_RESTRICT Z,
                                int32_t ldz, double *SMM_RESTRICT tmp, double *SMM_RESTRICT F)
{
    add_product(k, k, A, T, Z, ldz, 0, tmp, F);
}

/* GT_t = sum over levels of (S Lambda)_jj = (A Lambda Omega^-1)_jj. */
SMM_HOT
void smm_accumulate_trace(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t k2 = d->maxcols * d->maxcols;
    double *tmp = ws->small_tmp, *full = tmp + k2;
    memset(ws->GT, 0, sizeof(double) * (size_t)ws->T_at[d->nterms]);
    for (int64_t b = 0; b < d->nblocks; b++) {
        int32_t i = d->block_row[b], j = d->block_col[b];
        int32_t ti = d->node_term[i], tj = d->node_term[j], ki = d->cols[ti], kj = d->cols[tj];
        const double *A = ws->A + d->block_at[b], *Z = ws->inverse + d->block_in_l[b];
        const double *Ti = ws->T + ws->T_at[ti], *Tj = ws->T + ws->T_at[tj];
        double *Fi = ws->GT + ws->T_at[ti], *Fj = ws->GT + ws->T_at[tj];
        int32_t ld = smm_ld(d, j);
        if (i == j) {
            if (ws->twin[j] >= 0) continue;
            if (ws->alike[j] > 1) {
                double *one = full + k2;
                memset(one, 0, sizeof(double) * (size_t)ki * (size_t)ki);
                add_diagonal(ki, A, Ti, Z, ld, tmp, one);
                for (int32_t e = 0; e < ki * ki; e++) Fi[e] += ws->alike[j] * one[e];
                continue;
            }
            if (ki == 1) {
                Fi[0] += A[0] * Ti[0] * Z[0];
                continue;
            }
            if (j >= d->nhead) { /* only the lower triangle of the tail is stored */
                for (int32_t c = 0; c < ki; c++)
                    for (int32_t r = c; r < ki; r++)
                        full[r + c * ki] = full[c + r * ki] = Z[r + (int64_t)c * ld];
                Z = full;
                ld = ki;
            }
            if (ki == 2) add_diagonal(2, A, Ti, Z, ld, tmp, Fi);
            else if (ki == 3) add_diagonal(3, A, Ti, Z, ld, tmp, Fi);
            else add_diagonal(ki, A, Ti, Z, ld, tmp, Fi);
        } else if (ki == 1 && kj == 1) {
            double az = A[0] * Z[0];
            Fj[0] += az * Ti[0];
            Fi[0] += az * Tj[0];
        } else if (ki == 8 && kj == 8) {
            add_product(8, 8, A, Ti, Z, ld, 0, tmp, Fj);
            add_product(8, 8, A, Tj, Z, ld, 1, tmp, Fi);
        } else {
            add_product(ki, kj, A, Ti, Z, ld, 0, tmp, Fj);
            add_product(ki, kj, A, Tj, Z, ld, 1, tmp, Fi);
        }
    }
}

/* The same for large rows of T_t: T^-T sum over levels of (I - (Q Omega^-1)_jj). */
static void trace_of_large(smm_workspace *ws, int32_t t)
{
    const smm_design *d = ws->design;
    int32_t k = d->cols[t];
    const double *T = ws->T + ws->T_at[t];
    double *F = ws->GT + ws->T_at[t];
    for (int32_t c = 0; c < k; c++)
        for (int32_t r = k - 1; r >= 0; r--) {
            if (!smm_is_large(ws, t, r)) continue;
            double sum = 0;
            for (int32_t l = 0; l < d->levels[t]; l++) {
                int32_t j = d->node_of[t][l];
                double q = d->has_prior ? d->node_prior[j] : 1.0;
                sum += (r == c) - q * smm_inverse_at(ws, j, r, c);
            }
            for (int64_t b = d->first_prior; b < d->nblocks; b++)
                if (d->node_term[d->block_row[b]] == t)
                    sum -= d->block_prior[b - d->first_prior] *
                           (smm_inverse_at(ws, b, r, c) + smm_inverse_at(ws, b, c, r));
            for (int32_t e = r + 1; e < k; e++) sum -= T[e + r * k] * F[e + c * k];
            F[r + c * k] = sum / T[r + r * k];
        }
}

/* GT_t -= sum over levels of (N / r2) e_j u_j'. */
SMM_HOT
static void subtract_modes(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    double precision = smm_precision(ws);
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t t = d->node_term[j], k = d->cols[t];
        double *F = ws->GT + ws->T_at[t];
        const double *e = ws->e + d->node_at[j], *u = ws->u + d->node_at[j];
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) F[r + c * k] -= precision * e[r] * u[c];
    }
}

/* GT_t -= sum over levels of H_j M H_j' T, or H_j M C_j' where there are priors. */
static void subtract_fixed(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t p = d->p;
    const double *right = d->has_prior ? ws->C : ws->H;
    double *Q = ws->small_tmp, *HM = Q + (size_t)d->maxcols * d->maxcols;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        memset(Q, 0, sizeof(double) * (size_t)k * k);
        for (int32_t l = 0; l < d->levels[t]; l++) {
            int64_t at = d->node_at[d->node_of[t][l]] * p;
            const double *H = ws->H + at, *G = right + at;
            for (int32_t r = 0; r < k; r++) {
                for (int32_t v = 0; v < p; v++) {
                    double sum = 0;
                    for (int32_t w = 0; w < p; w++)
                        sum += H[r * p + w] * ws->Minv[w + (size_t)v * p];
                    HM[v] = sum;
                }
                for (int32_t c = 0; c < k; c++) {
                    double sum = 0;
                    for (int32_t v = 0; v < p; v++) sum += HM[v] * G[c * p + v];
                    Q[r + c * k] += sum;
                }
            }
        }
        const double *T = ws->T + ws->T_at[t];
        double *F = ws->GT + ws->T_at[t];
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) {
                double sum = d->has_prior ? Q[r + c * k] : 0;
                for (int32_t e = c; !d->has_prior && e < k; e++)
                    sum += Q[r + e * k] * T[e + c * k];
                F[r + c * k] -= sum;
            }
    }
}

int smm_find_trace(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int status = smm_selected_inverse(ws);
    if (status) return status;
    smm_accumulate_trace(ws);
    for (int32_t t = 0; ws->exact && t < d->nterms; t++) trace_of_large(ws, t);
    return SMM_OK;
}

void smm_subtract_residuals(smm_workspace *ws)
{
    subtract_modes(ws);
    if (!ws->reml) return;
    solve_fixed(ws);
    subtract_fixed(ws);
}

int smm_differentiate(smm_workspace *ws)
{
    smm_solve_linear_modes(ws);
    int status = smm_find_trace(ws);
    if (status) return status;
    smm_subtract_residuals(ws);
    return ws->always_precise && smm_has_few_rows(ws->design) ? smm_differentiate_by_rows(ws)
                                                              : SMM_OK;
}

int smm_find_gradient(smm_workspace *ws, int (*differentiate)(smm_workspace *), double *gradient)
{
    const smm_design *d = ws->design;
    for (int32_t i = 0; i < d->ntheta; i++) gradient[i] = NAN;
    if (ws->state < SMM_HAS_VALUE) return SMM_ESTATE;
    int status = differentiate(ws);
    if (status) return status;
    for (int32_t i = 0; i < d->ntheta; i++) {
        int32_t t = d->theta_term[i];
        gradient[i] = 2 * ws->GT[ws->T_at[t] + d->theta_row[i] + d->theta_col[i] * d->cols[t]];
        if (!isfinite(gradient[i])) return smm_fail(SMM_ENONFINITE, d->ntheta, gradient);
    }
    ws->state = SMM_HAS_GRADIENT;
    return SMM_OK;
}

int smm_gradient(smm_workspace *ws, double *gradient)
{
    return ws && gradient ? smm_find_gradient(ws, smm_differentiate, gradient) : SMM_EINVAL;
}
