/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An approximate Hessian of the objective. Let V_i = dV/dtheta_i, P y = V^-1(y - X beta) and
 * q_i = V_i P y = Z w_i. The second derivative is the average of observed and expected
 * information, which needs no traces (Gilmour, Thompson and Cullis 1995),
 *
 *     (N / r2) q_i'P q_j - (N / r2^2)(q_i'P y)(q_j'P y),
 *
 * plus the exact contribution of the second derivative of Sigma_t = T_t T_t': 2 Gamma_t
 * between elements of one column of T_t. The latter is what keeps the Hessian from
 * vanishing with T where a variance is zero.
 */
#include "linear/linear.h"

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

/* Column i of W: w_i = D_i u + Lambda Q^-1 D_i' e with D_i = d Lambda / d theta_i. Q acts on
 * levels and D_i within them: Q^-1 D_i' e = D_i' Lambda^-T u. */
SMM_HOT
static void derivative_directions(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t nt = d->ntheta;
    const double *from = d->has_prior ? ws->AW : ws->e;
    for (int32_t t = 0; d->has_prior && nt > 0 && t < d->nterms; t++)
        smm_divide_lambda_t(ws, t, 0, ws->u, ws->AW, 1);
    memset(ws->W, 0, sizeof(double) * (size_t)d->q * (size_t)nt);
    for (int32_t i = 0; i < nt; i++) {
        int32_t t = d->theta_term[i], r = d->theta_row[i], c = d->theta_col[i], k = d->cols[t];
        const double *T = ws->T + ws->T_at[t];
        for (int32_t l = 0; l < d->levels[t]; l++) {
            int64_t at = d->node_at[d->node_of[t][l]];
            const double *u = ws->u + at, *e = from + at;
            double *w = ws->W + at * nt + i;
            w[(int64_t)r * nt] += u[c];
            for (int32_t s = c; s < k; s++) w[(int64_t)s * nt] += T[s + c * k] * e[r];
        }
    }
}

/* out (a x b, column-major) = P'Q for row-major P (rows x a) and Q (rows x b). */
SMM_HOT
void smm_cross(int64_t rows, int32_t a, const double *P, int32_t b, int32_t ldq, const double *Q,
               double *SMM_RESTRICT out)
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

/* Columns of W of a term are Lambda v + w'' with v in the large rows of T and w'' in the others:
 * V receives v, W keeps w''. */
static void split_large(smm_workspace *ws, int32_t t, double *V)
{
    const smm_design *d = ws->design;
    int32_t nt = d->ntheta, lo = d->theta_at[t], hi = d->theta_at[t + 1], k = d->cols[t];
    const double *T = ws->T + ws->T_at[t];
    for (int32_t r = 0; r < k; r++) {
        if (!smm_is_large(ws, t, r)) continue;
        for (int32_t l = 0; l < d->levels[t]; l++) {
            int64_t at = d->node_at[d->node_of[t][l]] * nt;
            double *w = ws->W + at, *v = V + at + (int64_t)r * nt;
            for (int32_t c = lo; c < hi; c++) {
                v[c] = w[(int64_t)r * nt + c] / T[r + r * k];
                w[(int64_t)r * nt + c] = 0;
                for (int32_t s = r + 1; s < k; s++) w[(int64_t)s * nt + c] -= T[s + r * k] * v[c];
            }
        }
    }
}

/* What v adds, in products that lose no digits where T is large: with S Lambda v = A Lambda
 * Omega^-1 Q v,
 *     W'S W = v'Q v + w''A w'' - |L^-1 (Lambda'A w'' - Q v)|^2,
 *     W'H = w''Z'WX - (L^-1 (Lambda'A w'' - Q v))'B,   W'e = v'Q u + w''e. */
static void add_large(smm_workspace *ws, int32_t t, const double *V, double *K, double *s)
{
    const smm_design *d = ws->design;
    int32_t nt = d->ntheta, lo = d->theta_at[t], hi = d->theta_at[t + 1];
    smm_multiply_prior(d, t, V, ws->W, nt, lo, hi);
    for (int32_t l = 0; l < d->levels[t]; l++) {
        int32_t j = d->node_of[t][l];
        for (int64_t i = d->node_at[j]; i < d->node_at[j + 1]; i++) {
            const double *v = V + i * nt, *qv = ws->W + i * nt;
            for (int32_t c = lo; c < hi; c++) {
                s[c] += qv[c] * ws->u[i];
                for (int32_t r = c; r < hi; r++) K[r + (size_t)c * nt] += v[r] * qv[c];
                ws->AW[i * nt + c] -= qv[c];
            }
        }
    }
}

/* K = W'A W and K2, whose difference is W'S W; HW = W'H and s = W'e. W is lost where T is large. */
static void products(smm_workspace *ws, double *K, double *K2, double *HW, double *s, double *tmp)
{
    const smm_design *d = ws->design;
    int32_t nt = d->ntheta, p = d->p, m = p + 1;
    double *V = ws->exact ? smm_precise_scratch(ws) : NULL;
    for (int32_t t = 0; V && t < d->nterms; t++) split_large(ws, t, V);
    smm_cross(d->q, nt, ws->W, 1, 1, ws->e, s);
    smm_multiply_a(ws, ws->W, ws->AW, nt, d->theta_at);
    information(ws, K);
    smm_cross(d->q, nt, ws->W, p, m, ws->ZXy, HW);
    smm_apply_lambda_t(ws, ws->AW, ws->AW, nt);
    for (int32_t t = 0; V && t < d->nterms; t++) add_large(ws, t, V, K, s);
    smm_forward(ws, ws->AW, nt);
    smm_gram(&d->blas, d->q, nt, ws->AW, 1.0, 0.0, K2);
    smm_cross(d->q, nt, ws->AW, p, m, ws->B, tmp);
    for (int32_t v = 0; v < p * nt; v++) HW[v] -= tmp[v];
}

/* H (ntheta x ntheta) = precision * (W'S W - [projected] W'H M H'W) - [profiled]
 * precision / r2 * s s', plus the second-order term 2 Gamma; HW (ntheta x p,
 * column-major) = W'H. From u, e, the factor, B, M and GT. */
int smm_information(smm_workspace *ws, double precision, int profiled, int projected, double *H,
                    double *HW)
{
    const smm_design *d = ws->design;
    int32_t nt = d->ntheta, p = d->p;
    for (int32_t t = 0; t < d->nterms; t++)
        for (int32_t c = 0; c < d->cols[t]; c++)
            if (ws->T[ws->T_at[t] + c + c * d->cols[t]] == 0) return SMM_ENOTPD;

    double *K = ws->mtheta, *K2 = K + (size_t)nt * nt, *HM = K2 + (size_t)nt * nt;
    double *s = ws->vtheta;
    derivative_directions(ws);
    products(ws, K, K2, HW, s, HM);
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
