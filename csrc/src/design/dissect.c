/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Nested dissection (George 1973): a graph is cut in two by a small set of nodes, the separator,
 * each side again, and so on. Separators are eliminated after the parts that they separate, so
 * that no side fills the other. A cut begins half way through the nodes by their distance from one
 * at the rim of the graph, and is improved by moving nodes of the separator to either side, the
 * neighbours on the other side taking their place (Fiduccia and Mattheyses 1982): the move that
 * leaves the least separator is made even if that grows, no node moves twice in a pass, and a pass
 * ends at the least separator that it met.
 */
#include "design/design.h"

/* Parts of which the separator is a larger share are left to the order of minimum degree, which is
 * as good there. */
#define LARGEST_CUT (1.0 / 9)
/* No side has more than this share of a part. */
#define LARGEST_SIDE 0.6
#define PASSES 12
/* A pass ends after this number of moves, and of this share of the part, without a smaller cut. */
#define IDLE_MOVES 100
#define IDLE_SHARE 0.1
/* Nodes with more neighbours than this times the root of the number of nodes are near everything:
 * they belong to the last separator. */
#define HUB 10.0

enum { LEFT, RIGHT, CUT, AWAY }; /* where a node is; AWAY in other parts */

typedef struct {
    const int64_t *at;
    const int32_t *adj;
    int32_t *list; /* the nodes of the part that is cut, n of them */
    int32_t n;
    uint8_t *where, *kept, *done; /* per node: kept at the least cut of a pass */
    int32_t size[3];              /* nodes LEFT, RIGHT and in the CUT */
    int32_t *pulled[2]; /* per node in the cut: its neighbours that a move to a side pulls in */
    /* heaps of the nodes in the cut that may move, by how many the move to a side pulls in */
    int32_t *heap[2], *place[2], heaped[2];
    int32_t *queue, *moved;
    int32_t *begin, *end; /* parts that wait */
} cut;

static void heap_up(cut *c, int side, int32_t i)
{
    int32_t *heap = c->heap[side], v = heap[i];
    const int32_t *key = c->pulled[side];
    for (; i > 0 && key[v] < key[heap[(i - 1) / 2]]; i = (i - 1) / 2) {
        heap[i] = heap[(i - 1) / 2];
        c->place[side][heap[i]] = i;
    }
    heap[i] = v;
    c->place[side][v] = i;
}

static void heap_down(cut *c, int side, int32_t i)
{
    int32_t *heap = c->heap[side], v = heap[i], size = c->heaped[side];
    const int32_t *key = c->pulled[side];
    for (int32_t child; (child = 2 * i + 1) < size; i = child) {
        if (child + 1 < size && key[heap[child + 1]] < key[heap[child]]) child++;
        if (key[heap[child]] >= key[v]) break;
        heap[i] = heap[child];
        c->place[side][heap[i]] = i;
    }
    heap[i] = v;
    c->place[side][v] = i;
}

static void heap_push(cut *c, int side, int32_t v)
{
    c->heap[side][c->heaped[side]] = v;
    heap_up(c, side, c->heaped[side]++);
}

static void heap_remove(cut *c, int side, int32_t v)
{
    int32_t i = c->place[side][v], last = c->heap[side][--c->heaped[side]];
    c->place[side][v] = -1;
    if (last == v) return;
    c->heap[side][i] = last;
    heap_up(c, side, i);
    heap_down(c, side, c->place[side][last]);
}

/* A node of the cut pulls in `more` when it moves to a side. */
static void add_pulled(cut *c, int side, int32_t v, int32_t more)
{
    c->pulled[side][v] += more;
    if (c->place[side][v] < 0) return;
    heap_up(c, side, c->place[side][v]);
    heap_down(c, side, c->place[side][v]);
}

static void count_pulled(cut *c, int32_t v)
{
    int32_t count[4] = {0, 0, 0, 0};
    for (int64_t a = c->at[v]; a < c->at[v + 1]; a++) count[c->where[c->adj[a]]]++;
    c->pulled[LEFT][v] = count[RIGHT];
    c->pulled[RIGHT][v] = count[LEFT];
}

static void put(cut *c, int32_t v, uint8_t where)
{
    c->size[c->where[v]]--;
    c->size[where]++;
    c->where[v] = where;
}

/* Move v from the cut to a side. Returns how many nodes have moved since the least cut. */
static int32_t move(cut *c, int32_t v, int side, int32_t moves)
{
    int other = 1 - side;
    for (int s = 0; s < 2; s++) heap_remove(c, s, v);
    c->done[v] = 1;
    put(c, v, (uint8_t)side);
    c->moved[moves++] = v;
    for (int64_t a = c->at[v]; a < c->at[v + 1]; a++) {
        int32_t u = c->adj[a];
        if (c->where[u] == CUT) add_pulled(c, other, u, 1);
        if (c->where[u] != other) continue;
        put(c, u, CUT);
        c->moved[moves++] = u;
        count_pulled(c, u);
        for (int s = 0; s < 2 && !c->done[u]; s++) heap_push(c, s, u);
        for (int64_t b = c->at[u]; b < c->at[u + 1]; b++)
            if (c->where[c->adj[b]] == CUT) add_pulled(c, side, c->adj[b], -1);
    }
    return moves;
}

/* The side to which the best move goes, -1 where both are too large. */
static int best_side(const cut *c)
{
    int best = -1;
    for (int s = 0; s < 2; s++) {
        if (c->size[s] + 1 > LARGEST_SIDE * c->n) continue;
        int32_t here = c->pulled[s][c->heap[s][0]];
        int32_t there = best < 0 ? here + 1 : c->pulled[best][c->heap[best][0]];
        if (here < there || (here == there && c->size[s] < c->size[best])) best = s;
    }
    return best;
}

/* One pass; returns whether the cut became smaller. */
static int improve(cut *c)
{
    int32_t least = c->size[CUT], moves = 0, idle = 0, better = 0;
    c->heaped[0] = c->heaped[1] = 0;
    for (int32_t i = 0; i < c->n; i++) {
        int32_t v = c->list[i];
        c->done[v] = 0;
        c->kept[v] = c->where[v];
        c->place[0][v] = c->place[1][v] = -1;
    }
    for (int32_t i = 0; i < c->n; i++) {
        if (c->where[c->list[i]] != CUT) continue;
        count_pulled(c, c->list[i]);
        for (int s = 0; s < 2; s++) heap_push(c, s, c->list[i]);
    }
    while (c->heaped[0] > 0 && idle++ < IDLE_MOVES + IDLE_SHARE * c->n) {
        int side = best_side(c);
        if (side < 0) break;
        moves = move(c, c->heap[side][0], side, moves);
        if (c->size[CUT] >= least) continue;
        least = c->size[CUT];
        for (int32_t i = 0; i < moves; i++) c->kept[c->moved[i]] = c->where[c->moved[i]];
        moves = idle = 0;
        better = 1;
    }
    for (int32_t i = 0; i < moves; i++)
        if (c->where[c->moved[i]] != c->kept[c->moved[i]])
            put(c, c->moved[i], c->kept[c->moved[i]]);
    return better;
}

/* The nodes of the part by their distance from `first`, those out of reach last, in the queue.
 * Returns the last one. */
static int32_t by_distance(cut *c, int32_t first)
{
    int32_t at = 0, end = 0, next = 0;
    for (int32_t i = 0; i < c->n; i++) c->done[c->list[i]] = 0;
    for (c->queue[end++] = first, c->done[first] = 1; at < c->n; at++) {
        if (at == end) {
            while (c->done[c->list[next]]) next++;
            c->queue[end++] = c->list[next];
            c->done[c->list[next]] = 1;
        }
        int32_t v = c->queue[at];
        for (int64_t a = c->at[v]; a < c->at[v + 1]; a++) {
            int32_t u = c->adj[a];
            if (c->where[u] == AWAY || c->done[u]) continue;
            c->done[u] = 1;
            c->queue[end++] = u;
        }
    }
    return c->queue[c->n - 1];
}

/* Cut the part in the list; all other nodes are AWAY. */
static void bisect(cut *c)
{
    for (int32_t i = 0; i < c->n; i++) c->where[c->list[i]] = RIGHT;
    by_distance(c, by_distance(c, by_distance(c, c->list[0])));
    c->size[LEFT] = c->size[CUT] = 0;
    c->size[RIGHT] = c->n;
    for (int32_t i = 0; i < c->n / 2; i++) put(c, c->queue[i], LEFT);
    for (int32_t i = 0; i < c->n / 2; i++) {
        int32_t v = c->queue[i];
        for (int64_t a = c->at[v]; a < c->at[v + 1] && c->where[v] == LEFT; a++)
            if (c->where[c->adj[a]] == RIGHT) put(c, v, CUT);
    }
    for (int pass = 0; pass < PASSES && improve(c); pass++);
}

static int cut_create(const smm_allocator *mem, int32_t nodes, cut *c)
{
    int32_t **lists[] = {&c->list,  &c->pulled[0], &c->pulled[1], &c->heap[0], &c->heap[1],
                         &c->queue, &c->place[0],  &c->place[1],  &c->begin,   &c->end};
    uint8_t **flags[] = {&c->where, &c->kept, &c->done};
    int missing = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        missing |= !(*lists[i] = smm_alloc(mem, (size_t)nodes, sizeof(int32_t)));
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        missing |= !(*flags[i] = smm_alloc(mem, (size_t)nodes, 1));
    /* a node comes into the cut and leaves it, twice where it had left it before */
    missing |= !(c->moved = smm_alloc(mem, 3 * (size_t)nodes, sizeof(int32_t)));
    return missing ? SMM_ENOMEM : SMM_OK;
}

static void cut_free(const smm_allocator *mem, cut *c)
{
    void *all[] = {c->list,  c->pulled[0], c->pulled[1], c->heap[0], c->heap[1],
                   c->queue, c->place[0],  c->place[1],  c->begin,   c->end,
                   c->where, c->kept,      c->done,      c->moved};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) smm_release(mem, all[i]);
}

int smm_dissect(const smm_allocator *mem, int32_t nodes, const int64_t *at, const int32_t *adj,
                int32_t *part, int32_t *parts)
{
    cut c = {.at = at, .adj = adj};
    int32_t *order = smm_alloc(mem, (size_t)nodes, sizeof(int32_t)); /* parts are ranges of it */
    int status = cut_create(mem, nodes, &c);
    if (!order) status = SMM_ENOMEM;
    if (status) goto done;
    int32_t waiting = 1, number = nodes - 1, next = 0;
    for (int32_t i = 0; i < nodes; i++) {
        c.where[i] = AWAY;
        part[i] = number;
        if ((double)(at[i + 1] - at[i]) <= HUB * sqrt(nodes)) order[next++] = i;
    }
    c.begin[0] = 0;
    c.end[0] = next;
    while (waiting > 0) {
        int32_t begin = c.begin[--waiting];
        c.n = c.end[waiting] - begin;
        if (c.n < SMM_LEAST_PART) continue;
        memcpy(c.list, order + begin, sizeof(int32_t) * (size_t)c.n);
        bisect(&c);
        next = begin;
        for (int side = 0; side < 2 && c.size[CUT] < LARGEST_CUT * c.n; side++) {
            c.begin[waiting] = next;
            for (int32_t i = 0; i < c.n; i++)
                if (c.where[c.list[i]] == side) order[next++] = c.list[i];
            c.end[waiting++] = next;
        }
        for (int32_t i = 0; i < c.n; i++) c.where[c.list[i]] = AWAY;
        /* what is left in a part is its separator; the sides come before it */
        for (int32_t w = waiting - 2; next > begin && w < waiting; w++) {
            number--;
            for (int32_t i = c.begin[w]; i < c.end[w]; i++) part[order[i]] = number;
        }
    }
    for (int32_t i = 0; i < nodes; i++) part[i] -= number;
    *parts = nodes - number;
done:
    cut_free(mem, &c);
    smm_release(mem, order);
    return status;
}
