/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Penalized least squares: the profiled objective, its exact gradient and an
 * approximate Hessian. With V = I + Z Lambda Lambda' Z' (weights absorbed in the
 * cross-products), Omega = Lambda'A Lambda + I = L L' and B = L^-1 Lambda'Z'W[X y],
 *
 *     [X y]'V^-1[X y] = [X y]'W[X y] - B'B = R R',      r2 = R_last^2,
 *     objective = log|Omega| + [REML] 2 sum log R_jj + N (1 + log(2 pi r2 / N)).
 *
 * With e = Z'W(y - X beta - Z Lambda u), S = Z'V^-1 Z, H = Z'V^-1 X and
 * M = (X'V^-1 X)^-1, the derivative with respect to Sigma_t = T_t T_t' is
 *
 *     Gamma_t = sum_j S_jj - [REML] H_j M H_j' - (N / r2) e_j e_j',
 *
 * and the gradient is the free part of 2 Gamma_t T_t. S Lambda = A Lambda Omega^-1 needs
 * the selected inverse only, and stays exact when T is singular.
 */
#include "smm_internal.h"

#define LOG_2PI 1.8378770664093454836

int smm_set_criterion(smm_workspace *ws, int reml, double sigma)
{
    if (!ws || (reml != 0 && reml != 1) || !(sigma >= 0) || isinf(sigma)) return SMM_EINVAL;
    if (reml && ws->design->n <= ws->design->p) return SMM_EINVAL;
    ws->reml = reml;
    ws->sigma = sigma;
    if (ws->state > SMM_HAS_A) ws->state = SMM_HAS_A;
    return SMM_OK;
}

/* R R' = [X y]'W[X y] - B'B, its p columns of X. */
int smm_factor_x(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    memcpy(ws->R, ws->XXy, sizeof(double) * (size_t)m * m);
    smm_gram(&d->blas, d->q, m, ws->B, -1.0, 1.0, ws->R);
    return smm_potrf(&d->blas, p, ws->R, m);
}

/* The last row of R, and r2 from it. */
static int factor_xy(smm_workspace *ws)
{
    int32_t p = ws->design->p, m = p + 1;
    double *R = ws->R;
    int status = smm_factor_x(ws);
    if (status) return status;
    double r2 = R[p + (size_t)p * m], logdet = 0;
    for (int32_t c = 0; c < p; c++) {
        double sum = R[p + (size_t)c * m];
        for (int32_t e = 0; e < c; e++) sum -= R[p + (size_t)e * m] * R[c + (size_t)e * m];
        sum /= R[c + (size_t)c * m];
        R[p + (size_t)c * m] = sum;
        r2 -= sum * sum;
        logdet += log(R[c + (size_t)c * m]);
    }
    ws->logdet_xvx = 2 * logdet;
    ws->r2 = r2;
    return r2 > 0 && isfinite(r2) && isfinite(logdet) ? SMM_OK : SMM_ENONFINITE;
}

int smm_value(smm_workspace *ws, const double *theta, double *value)
{
    if (!ws || !theta || !value) return SMM_EINVAL;
    *value = NAN;
    if (ws->state < SMM_HAS_A) return SMM_ESTATE;
    const smm_design *d = ws->design;
    ws->state = SMM_HAS_A;
    for (int32_t i = 0; i < d->ntheta; i++)
        if (!isfinite(theta[i])) return SMM_ENONFINITE;
    smm_set_theta(ws, theta);
    smm_fill_omega(ws);
    int status = smm_factor(ws);
    if (status) return status;
    smm_apply_lambda_t(ws, ws->ZXy, ws->B, smm_width(d));
    smm_forward(ws, ws->B, smm_width(d));
    status = factor_xy(ws);
    if (status) return status;
    double n = smm_dof(ws), f = ws->logdet_omega + (ws->reml ? ws->logdet_xvx : 0);
    if (ws->sigma > 0) f += n * (LOG_2PI + 2 * log(ws->sigma)) + ws->r2 / (ws->sigma * ws->sigma);
    else f += n * (1 + LOG_2PI + log(ws->r2 / n));
    if (!isfinite(f)) return SMM_ENONFINITE;
    *value = ws->value = f;
    ws->state = SMM_HAS_VALUE;
    return SMM_OK;
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

/* beta, M, u, b = Lambda u and e = Z'W(y - X beta) - A b. */
static void solve_modes(smm_workspace *ws)
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
}

/* C = Omega^-1 Lambda'Z'WX and H = Z'V^-1 X = Z'WX - A Lambda C, row-major (q x p). */
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
        for (int32_t v = 0; v < p; v++)
            ws->H[i * p + v] = ws->ZXy[i * m + v] - ws->H[i * p + v];
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

/* GT_t -= sum over levels of H_j M H_j' T. */
static void subtract_fixed(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t p = d->p;
    double *Q = ws->small_tmp, *HM = Q + (size_t)d->maxcols * d->maxcols;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        memset(Q, 0, sizeof(double) * (size_t)k * k);
        for (int32_t l = 0; l < d->levels[t]; l++) {
            const double *H = ws->H + d->node_at[d->node_of[t][l]] * p;
            for (int32_t r = 0; r < k; r++) {
                for (int32_t v = 0; v < p; v++) {
                    double sum = 0;
                    for (int32_t w = 0; w < p; w++) sum += H[r * p + w] * ws->Minv[w + (size_t)v * p];
                    HM[v] = sum;
                }
                for (int32_t c = 0; c < k; c++) {
                    double sum = 0;
                    for (int32_t v = 0; v < p; v++) sum += HM[v] * H[c * p + v];
                    Q[r + c * k] += sum;
                }
            }
        }
        const double *T = ws->T + ws->T_at[t];
        double *F = ws->GT + ws->T_at[t];
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) {
                double sum = 0;
                for (int32_t e = c; e < k; e++) sum += Q[r + e * k] * T[e + c * k];
                F[r + c * k] -= sum;
            }
    }
}

int smm_gradient(smm_workspace *ws, double *gradient)
{
    if (!ws || !gradient) return SMM_EINVAL;
    const smm_design *d = ws->design;
    for (int32_t i = 0; i < d->ntheta; i++) gradient[i] = NAN;
    if (ws->state < SMM_HAS_VALUE) return SMM_ESTATE;
    solve_modes(ws);
    int status = smm_selected_inverse(ws);
    if (status) return status;
    smm_accumulate_trace(ws);
    subtract_modes(ws);
    if (ws->reml) {
        solve_fixed(ws);
        subtract_fixed(ws);
    }
    for (int32_t i = 0; i < d->ntheta; i++) {
        int32_t t = d->theta_term[i];
        gradient[i] = 2 * ws->GT[ws->T_at[t] + d->theta_row[i] + d->theta_col[i] * d->cols[t]];
        if (!isfinite(gradient[i])) return smm_fail(SMM_ENONFINITE, d->ntheta, gradient);
    }
    ws->state = SMM_HAS_GRADIENT;
    return SMM_OK;
}

/* Gamma_t (k x k) from Gamma_t T_t by back-substitution from the right; T nonsingular. */
static void gamma_of_term(const smm_workspace *ws, int32_t t, double *G)
{
    int32_t k = ws->design->cols[t];
    const double *T = ws->T + ws->T_at[t], *F = ws->GT + ws->T_at[t];
    for (int32_t c = k - 1; c >= 0; c--)
        for (int32_t r = 0; r < k; r++) {
            double sum = F[r + c * k];
            for (int32_t e = c + 1; e < k; e++) sum -= G[r + e * k] * T[e + c * k];
            G[r + c * k] = sum / T[c + c * k];
        }
    for (int32_t c = 0; c < k; c++)
        for (int32_t r = c + 1; r < k; r++)
            G[r + c * k] = G[c + r * k] = 0.5 * (G[r + c * k] + G[c + r * k]);
}

/* Column i of W: w_i = D_i u + Lambda D_i' e with D_i = d Lambda / d theta_i. */
SMM_HOT
static void derivative_directions(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t nt = d->ntheta;
    memset(ws->W, 0, sizeof(double) * (size_t)d->q * (size_t)nt);
    for (int32_t i = 0; i < nt; i++) {
        int32_t t = d->theta_term[i], r = d->theta_row[i], c = d->theta_col[i], k = d->cols[t];
        const double *T = ws->T + ws->T_at[t];
        for (int32_t l = 0; l < d->levels[t]; l++) {
            int64_t at = d->node_at[d->node_of[t][l]];
            const double *u = ws->u + at, *e = ws->e + at;
            double *w = ws->W + at * nt + i;
            w[(int64_t)r * nt] += u[c];
            for (int32_t s = c; s < k; s++) w[(int64_t)s * nt] += T[s + c * k] * e[r];
        }
    }
}

/* out (a x b, column-major) = P'Q for row-major P (rows x a) and Q (rows x b). */
SMM_HOT
static void cross(int64_t rows, int32_t a, const double *P, int32_t b, int32_t ldq,
                  const double *Q, double *SMM_RESTRICT out)
{
    memset(out, 0, sizeof(double) * (size_t)a * b);
    for (int64_t i = 0; i < rows; i++)
        for (int32_t c = 0; c < b; c++) {
            double f = Q[i * ldq + c];
            if (f == 0) continue;
            for (int32_t r = 0; r < a; r++) out[r + (size_t)c * a] += P[i * a + r] * f;
        }
}

/* Lower triangle of K = W'A W, from W and A W. Row i of W is zero outside its term's theta. */
SMM_HOT
static void information(const smm_workspace *ws, double *SMM_RESTRICT K)
{
    const smm_design *d = ws->design;
    int32_t nt = d->ntheta;
    memset(K, 0, sizeof(double) * (size_t)nt * nt);
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t t = d->node_term[j], lo = d->theta_at[t], hi = d->theta_at[t + 1];
        for (int64_t i = d->node_at[j]; i < d->node_at[j + 1]; i++) {
            const double *w = ws->W + i * nt, *aw = ws->AW + i * nt;
            for (int32_t c = lo; c < hi; c++) {
                double f = w[c];
                if (f == 0) continue;
                double *SMM_RESTRICT column = K + (size_t)c * nt;
                for (int32_t r = c; r < nt; r++) column[r] += f * aw[r];
            }
        }
    }
}

/* H (ntheta x ntheta) = precision * (W'S W - [projected] W'H M H'W) - [profiled]
 * precision / r2 * s s', plus the second-order term 2 Gamma; HW (ntheta x p,
 * column-major) = W'H. From u, e, the factor, B, M and GT. */
int smm_information(smm_workspace *ws, double precision, int profiled, int projected, double *H,
                    double *HW)
{
    const smm_design *d = ws->design;
    int32_t nt = d->ntheta, p = d->p, m = p + 1;
    for (int32_t t = 0; t < d->nterms; t++)
        for (int32_t c = 0; c < d->cols[t]; c++)
            if (ws->T[ws->T_at[t] + c + c * d->cols[t]] == 0) return SMM_ENOTPD;

    double *K = ws->mtheta, *K2 = K + (size_t)nt * nt, *HM = K2 + (size_t)nt * nt;
    double *s = ws->vtheta;
    derivative_directions(ws);
    cross(d->q, nt, ws->W, 1, 1, ws->e, s);
    smm_multiply_a(ws, ws->W, ws->AW, nt, d->theta_at);
    information(ws, K);
    cross(d->q, nt, ws->W, p, m, ws->ZXy, HW);
    smm_apply_lambda_t(ws, ws->AW, ws->AW, nt);
    smm_forward(ws, ws->AW, nt);
    smm_gram(&d->blas, d->q, nt, ws->AW, 1.0, 0.0, K2);
    cross(d->q, nt, ws->AW, p, m, ws->B, HM);
    for (int32_t v = 0; v < p * nt; v++) HW[v] -= HM[v];
    for (int32_t v = 0; v < p; v++) /* HM = HW M */
        for (int32_t i = 0; i < nt; i++) {
            double sum = 0;
            for (int32_t w = 0; w < p; w++)
                sum += HW[i + (size_t)w * nt] * ws->Minv[w + (size_t)v * p];
            HM[i + (size_t)v * nt] = sum;
        }
    for (int32_t j = 0; j < nt; j++)
        for (int32_t i = j; i < nt; i++) {
            double q = K[i + (size_t)j * nt] - K2[i + (size_t)j * nt];
            for (int32_t v = 0; projected && v < p; v++)
                q -= HM[i + (size_t)v * nt] * HW[j + (size_t)v * nt];
            q *= precision;
            if (profiled) q -= precision / ws->r2 * s[i] * s[j];
            H[i + (size_t)j * nt] = q;
        }
    double *G = ws->small_tmp;
    for (int32_t j = 0, t = -1; j < nt; j++) {
        if (d->theta_term[j] != t) gamma_of_term(ws, t = d->theta_term[j], G);
        for (int32_t i = j; i < nt && d->theta_term[i] == t; i++)
            if (d->theta_col[i] == d->theta_col[j])
                H[i + (size_t)j * nt] += 2 * G[d->theta_row[i] + d->theta_row[j] * d->cols[t]];
    }
    for (int32_t j = 0; j < nt; j++)
        for (int32_t i = j; i < nt; i++) {
            if (!isfinite(H[i + (size_t)j * nt]))
                return smm_fail(SMM_ENONFINITE, (int64_t)nt * nt, H);
            H[j + (size_t)i * nt] = H[i + (size_t)j * nt];
        }
    return SMM_OK;
}

int smm_curvature(smm_workspace *ws, double *hessian)
{
    if (!ws || !hessian) return SMM_EINVAL;
    const smm_design *d = ws->design;
    for (int32_t i = 0; i < d->ntheta * d->ntheta; i++) hessian[i] = NAN;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    double *HW = ws->mtheta + 2 * (size_t)d->ntheta * d->ntheta + (size_t)d->p * d->ntheta;
    return smm_information(ws, smm_precision(ws), ws->sigma == 0, 1, hessian, HW);
}
