/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Every status has a sentence of its own.
 */
#include <string.h>

#include "check.h"
#include "smm.h"

int main(void)
{
    const int statuses[] = {SMM_OK,     SMM_ENOMEM,     SMM_EINVAL, SMM_EOVERFLOW,
                            SMM_ENOTPD, SMM_ENONFINITE, SMM_ESTATE, SMM_ENLOPT};
    const int count = (int)(sizeof statuses / sizeof *statuses);
    const char *unknown = smm_status_text(-1000);
    CHECK(SMM_OK == 0);
    CHECK(unknown && *unknown);
    CHECK(smm_status_text(1) == unknown || strcmp(smm_status_text(1), unknown) == 0);
    for (int i = 0; i < count; i++) {
        const char *text = smm_status_text(statuses[i]);
        CHECK(statuses[i] <= 0);
        if (!CHECK(text && *text)) continue;
        CHECK(strcmp(text, unknown) != 0);
        for (int j = 0; j < i; j++) CHECK(strcmp(text, smm_status_text(statuses[j])) != 0);
    }
    return check_result();
}
