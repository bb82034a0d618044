// SPDX-License-Identifier: Apache-2.0
//
// What a request to a store is for: what it is counted as, and which rate it counts against.
#pragma once

namespace lancefs {

enum class RequestKind { kGet, kHead, kList, kPut, kDelete, kMultipart };

}  // namespace lancefs
