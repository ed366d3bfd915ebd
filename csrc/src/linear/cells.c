/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows reduced to few with the same cross-products. A cell is a combination of levels, one of
 * each term. The rows [z x] of a cell, z its columns of random effects and x all others, are
 * rotated from the left until k rows are left that have a nonzero z, an upper triangle, and rows
 * whose z is zero:
 *
 *     G [z x] = [R S]   k rows kept for the cell
 *               [0 x~]  of all cells alike, and given back
 *
 * A rotation changes neither cross-products nor what is orthogonal, so no digits are lost by
 * squares. Each row is rotated in by itself (Givens), k rotations for a row; what is kept of the
 * cells of other data is rows, too, so partial results are merged by the same function.
 */
#include "linear/linear.h"

/* Cells are kept in blocks of this many, so that they never move. */
#define BLOCK 4096

/* Rows whose cells are asked for together. */
#define CHUNK 64

struct smm_cells {
    smm_allocator mem;
    int32_t terms, cols, width;
    int64_t count, blocks, room; /* cells, blocks, places for blocks */
    int32_t **keys;              /* (blocks)(BLOCK x terms) */
    double **rows;               /* (blocks)(BLOCK x cols x width) */
    int64_t slots;               /* a power of two, more than twice the cells */
    int64_t *table;              /* (slots) a cell, or -1 */
};

static int32_t *key_of(const smm_cells *c, int64_t cell)
{
    return c->keys[cell / BLOCK] + cell % BLOCK * c->terms;
}

static double *rows_of(const smm_cells *c, int64_t cell)
{
    return c->rows[cell / BLOCK] + cell % BLOCK * c->cols * c->width;
}

static uint64_t mix(int32_t terms, const int32_t *key)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int32_t t = 0; t < terms; t++) {
        h = (h ^ (uint32_t)key[t]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

/* The slot of a key: where its cell is, or would be. */
static int64_t slot_of(const smm_cells *c, const int32_t *key)
{
    size_t bytes = sizeof *key * (size_t)c->terms;
    int64_t at = (int64_t)(mix(c->terms, key) & (uint64_t)(c->slots - 1));
    while (c->table[at] >= 0 && memcmp(key_of(c, c->table[at]), key, bytes))
        at = (at + 1) & (c->slots - 1);
    return at;
}

static int64_t *empty_table(const smm_cells *c, int64_t slots)
{
    int64_t *table = smm_alloc(&c->mem, (size_t)slots, sizeof *table);
    for (int64_t i = 0; table && i < slots; i++) table[i] = -1;
    return table;
}

static int enlarge_table(smm_cells *c)
{
    int64_t *table = empty_table(c, 2 * c->slots);
    if (!table) return SMM_ENOMEM;
    smm_release(&c->mem, c->table);
    c->table = table;
    c->slots *= 2;
    for (int64_t cell = 0; cell < c->count; cell++) c->table[slot_of(c, key_of(c, cell))] = cell;
    return SMM_OK;
}

/* Places for pointers to twice as many blocks. */
static int enlarge_lists(smm_cells *c)
{
    int64_t room = c->room ? 2 * c->room : 16;
    int32_t **keys = smm_alloc(&c->mem, (size_t)room, sizeof *keys);
    double **rows = smm_alloc(&c->mem, (size_t)room, sizeof *rows);
    if (!keys || !rows) {
        smm_release(&c->mem, (void *)keys);
        smm_release(&c->mem, (void *)rows);
        return SMM_ENOMEM;
    }
    for (int64_t i = 0; i < c->blocks; i++) {
        keys[i] = c->keys[i];
        rows[i] = c->rows[i];
    }
    smm_release(&c->mem, (void *)c->keys);
    smm_release(&c->mem, (void *)c->rows);
    c->keys = keys;
    c->rows = rows;
    c->room = room;
    return SMM_OK;
}

static int add_block(smm_cells *c)
{
    if (c->blocks == c->room && enlarge_lists(c)) return SMM_ENOMEM;
    size_t each = (size_t)c->cols * (size_t)c->width;
    int32_t *keys = smm_alloc(&c->mem, BLOCK * (size_t)c->terms, sizeof *keys);
    double *rows = smm_alloc(&c->mem, BLOCK * each, sizeof *rows);
    if (!keys || !rows) {
        smm_release(&c->mem, keys);
        smm_release(&c->mem, rows);
        return SMM_ENOMEM;
    }
    memset(rows, 0, BLOCK * each * sizeof *rows);
    c->keys[c->blocks] = keys;
    c->rows[c->blocks++] = rows;
    return SMM_OK;
}

/* The cell of a key, a new one if need be. */
static int find_cell(smm_cells *c, const int32_t *key, int64_t *cell)
{
    int64_t at = slot_of(c, key);
    *cell = c->table[at];
    if (*cell >= 0) return SMM_OK;
    if (c->count == c->blocks * BLOCK && add_block(c)) return SMM_ENOMEM;
    if (2 * (c->count + 1) > c->slots) {
        if (enlarge_table(c)) return SMM_ENOMEM;
        at = slot_of(c, key);
    }
    *cell = c->table[at] = c->count++;
    memcpy(key_of(c, *cell), key, sizeof *key * (size_t)c->terms);
    return SMM_OK;
}

/* Rotate a row into the k rows of a cell until its first k elements are zero. */
static void rotate_in(int32_t k, int32_t width, double *SMM_RESTRICT kept,
                      double *SMM_RESTRICT row)
{
    for (int32_t j = 0; j < k; j++, kept += width) {
        double b = row[j];
        if (b == 0) continue;
        double a = kept[j], r = sqrt(a * a + b * b);
        if (!(r > 1e-140 && r < 1e140)) r = hypot(a, b); /* the squares are no doubles */
        double cosine = a / r, sine = b / r;
        for (int32_t v = j; v < width; v++) {
            double from = kept[v], in = row[v];
            kept[v] = cosine * from + sine * in;
            row[v] = cosine * in - sine * from;
        }
        row[j] = 0;
    }
}

/* Ask memory for what the next rows will touch: cells come in any order, and waiting for each by
 * itself would take most of the time. */
static void fetch(const smm_cells *c, int64_t n, const int32_t *keys)
{
    int64_t slots[CHUNK];
    for (int64_t i = 0; i < n; i++) {
        slots[i] = (int64_t)(mix(c->terms, keys + i * c->terms) & (uint64_t)(c->slots - 1));
        SMM_PREFETCH(c->table + slots[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t cell = c->table[slots[i]];
        if (cell < 0) continue;
        SMM_PREFETCH(key_of(c, cell));
        SMM_PREFETCH(rows_of(c, cell));
    }
}

int smm_cells_create(const smm_allocator *mem, int32_t terms, int32_t cols, int32_t width,
                     smm_cells **out)
{
    const smm_allocator standard = smm_standard_allocator();
    if (!out) return SMM_EINVAL;
    *out = NULL;
    if (terms < 1 || cols < 1 || width < cols) return SMM_EINVAL;
    if (terms > 1000 || width > 46000) return SMM_EOVERFLOW;
    if (!mem) mem = &standard;
    smm_cells *c = smm_alloc(mem, 1, sizeof *c);
    if (!c) return SMM_ENOMEM;
    memset(c, 0, sizeof *c);
    c->mem = *mem;
    c->terms = terms;
    c->cols = cols;
    c->width = width;
    c->slots = 2 * BLOCK;
    c->table = empty_table(c, c->slots);
    if (!c->table) {
        smm_cells_destroy(c);
        return SMM_ENOMEM;
    }
    *out = c;
    return SMM_OK;
}

void smm_cells_destroy(smm_cells *c)
{
    if (!c) return;
    smm_allocator mem = c->mem;
    for (int64_t i = 0; i < c->blocks; i++) {
        smm_release(&mem, c->keys[i]);
        smm_release(&mem, c->rows[i]);
    }
    smm_release(&mem, (void *)c->keys);
    smm_release(&mem, (void *)c->rows);
    smm_release(&mem, c->table);
    smm_release(&mem, c);
}

int smm_cells_add(smm_cells *c, int64_t n, const int32_t *keys, double *rows)
{
    if (!c || n < 0 || (n > 0 && (!keys || !rows))) return SMM_EINVAL;
    for (int64_t start = 0; start < n; start += CHUNK) {
        int64_t end = n - start < CHUNK ? n : start + CHUNK;
        fetch(c, end - start, keys + start * c->terms);
        for (int64_t i = start; i < end; i++) {
            int64_t cell;
            int status = find_cell(c, keys + i * c->terms, &cell);
            if (status) return status;
            rotate_in(c->cols, c->width, rows_of(c, cell), rows + i * c->width);
        }
    }
    return SMM_OK;
}

int64_t smm_cells_count(const smm_cells *c) { return c ? c->count : 0; }

int smm_cells_read(const smm_cells *c, int32_t *keys, double *rows)
{
    if (!c || !keys || !rows) return SMM_EINVAL;
    size_t each = (size_t)c->cols * (size_t)c->width;
    for (int64_t i = 0; i < c->count; i++) {
        memcpy(keys + i * c->terms, key_of(c, i), sizeof *keys * (size_t)c->terms);
        memcpy(rows + (size_t)i * each, rows_of(c, i), sizeof *rows * each);
    }
    return SMM_OK;
}
