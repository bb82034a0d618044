// SPDX-License-Identifier: Apache-2.0
//
// Three-valued logic: every combination of true, false and null.
#include <gtest/gtest.h>

#include "tests/engine/sql/sql_test_util.h"

namespace lancefs::testing {
namespace {

// All nine pairs of (t, f, n), a first.
std::shared_ptr<arrow::RecordBatch> Pairs() {
  return MakeBatch({
      {"a", arrow::boolean(), "[true, true, true, false, false, false, null, null, null]"},
      {"b", arrow::boolean(), "[true, false, null, true, false, null, true, false, null]"},
      {"i", arrow::int32(), "[1, 2, null, 3, 4, 5, null, 7, -1]"},
      {"j", arrow::int32(), "[1, null, null, 4, 4, 6, 0, 7, 1]"},
      {"s", arrow::utf8(), R"(["a", "b", null, "c", "", "a", null, "x", "y"])"},
      {"f", arrow::float64(), "[1, 2, null, 3, 4, 5, null, NaN, -1]"},
      {"l", arrow::list(arrow::int32()), "[[1], [], null, [1, null], [2], [3], [4], [5], [6]]"},
  });
}

TEST(Logic, Tables) {
  const auto batch = Pairs();
  EXPECT_EQ(Truth(*batch, "a AND b"), "tfnfffnfn");
  EXPECT_EQ(Truth(*batch, "a OR b"), "ttttfntnn");
  EXPECT_EQ(Truth(*batch, "NOT a"), "ffftttnnn");
  EXPECT_EQ(Truth(*batch, "a = b"), "tfnftnnnn");
  EXPECT_EQ(Truth(*batch, "a != b"), "ftntfnnnn");
  EXPECT_EQ(Truth(*batch, "a < b"), "ffntfnnnn");
}

TEST(Logic, WithConstants) {
  const auto batch = Pairs();
  EXPECT_EQ(Truth(*batch, "b AND NULL"), "nfnnfnnfn");
  EXPECT_EQ(Truth(*batch, "b OR NULL"), "tnntnntnn");
  EXPECT_EQ(Truth(*batch, "b AND true"), "tfntfntfn");
  EXPECT_EQ(Truth(*batch, "b AND false"), "fffffffff");
  EXPECT_EQ(Truth(*batch, "b OR true"), "ttttttttt");
  EXPECT_EQ(Truth(*batch, "NOT NULL"), "nnnnnnnnn");
  EXPECT_EQ(Truth(*batch, "NULL IS NULL"), "ttttttttt");
  EXPECT_EQ(Truth(*batch, "i = NULL"), "nnnnnnnnn");
}

TEST(Logic, IsTests) {
  const auto batch = Pairs();
  EXPECT_EQ(Truth(*batch, "b IS NULL"), "fftfftfft");
  EXPECT_EQ(Truth(*batch, "b IS NOT NULL"), "ttfttfttf");
  EXPECT_EQ(Truth(*batch, "b IS TRUE"), "tfftfftff");
  EXPECT_EQ(Truth(*batch, "b IS NOT TRUE"), "fttfttftt");
  EXPECT_EQ(Truth(*batch, "b IS FALSE"), "ftfftfftf");
  EXPECT_EQ(Truth(*batch, "b IS NOT FALSE"), "tfttfttft");
  EXPECT_EQ(Truth(*batch, "b IS UNKNOWN"), "fftfftfft");
  EXPECT_EQ(Truth(*batch, "b IS NOT UNKNOWN"), "ttfttfttf");
  EXPECT_EQ(Truth(*batch, "(a AND b) IS UNKNOWN"), "fftffftft");
  EXPECT_EQ(Truth(*batch, "l IS NULL"), "fftffffff");
}

TEST(Logic, DistinctKnowsNulls) {
  const auto batch = Pairs();
  EXPECT_EQ(Truth(*batch, "a IS DISTINCT FROM b"), "ftttftttf");
  EXPECT_EQ(Truth(*batch, "a IS NOT DISTINCT FROM b"), "tffftffft");
  EXPECT_EQ(Truth(*batch, "i IS DISTINCT FROM j"), "ftftfttft");
  EXPECT_EQ(Truth(*batch, "i IS NOT DISTINCT FROM NULL"), "fftffftff");
  EXPECT_EQ(Truth(*batch, "i IS DISTINCT FROM 1"), "ftttttttt");
}

TEST(Logic, InWithNulls) {
  const auto batch = Pairs();
  EXPECT_EQ(Truth(*batch, "i IN (1, 3)"), "tfntffnff");
  EXPECT_EQ(Truth(*batch, "i NOT IN (1, 3)"), "ftnfttntt");
  EXPECT_EQ(Truth(*batch, "i IN (1, NULL)"), "tnnnnnnnn");
  EXPECT_EQ(Truth(*batch, "i NOT IN (1, NULL)"), "fnnnnnnnn");
  EXPECT_EQ(Truth(*batch, "i IN (NULL)"), "nnnnnnnnn");
  EXPECT_EQ(Truth(*batch, "s IN ('a', 'c')"), "tfntftnff");
  EXPECT_EQ(Truth(*batch, "s NOT IN ('a', NULL)"), "fnnnnfnnn");
  EXPECT_EQ(Truth(*batch, "b IN (true)"), "tfntfntfn");
  EXPECT_EQ(Truth(*batch, "f IN (1.0, 7)"), "tfnfffnff");
  EXPECT_EQ(Truth(*batch, "i IN (j, 2)"), "ttnftfntf");
  EXPECT_EQ(Truth(*batch, "i IN (j, 2)"), Truth(*batch, "i = j OR i = 2"));
  EXPECT_EQ(Truth(*batch, "i NOT IN (j, 2)"), Truth(*batch, "i != j AND i != 2"));
}

TEST(Logic, Between) {
  const auto batch = Pairs();
  EXPECT_EQ(Truth(*batch, "i BETWEEN 2 AND 4"), "ftnttfnff");
  EXPECT_EQ(Truth(*batch, "i NOT BETWEEN 2 AND 4"), "tfnfftntt");
  EXPECT_EQ(Truth(*batch, "i BETWEEN 4 AND 2"), "ffnfffnff");
  EXPECT_EQ(Truth(*batch, "i BETWEEN 2 AND NULL"), "fnnnnnnnf");
  EXPECT_EQ(Truth(*batch, "i NOT BETWEEN 2 AND NULL"), "tnnnnnnnt");
  EXPECT_EQ(Truth(*batch, "i BETWEEN 1.5 AND 3.5"), "ftntffnff");
  EXPECT_EQ(Truth(*batch, "s BETWEEN 'a' AND 'b'"), "ttnfftnff");
  EXPECT_EQ(Truth(*batch, "3 BETWEEN i AND j"), "fnntfffff");
}

TEST(Logic, CaseAndCoalesce) {
  const auto batch = Pairs();
  EXPECT_EQ(Truth(*batch, "CASE WHEN a THEN b ELSE NOT b END"), "tfnftnftn");
  EXPECT_EQ(Truth(*batch, "CASE a WHEN true THEN true END"), "tttnnnnnn");
  EXPECT_EQ(Truth(*batch, "coalesce(a, b)"), "tttffftfn");
  EXPECT_EQ(Truth(*batch, "nullif(a, b) IS NULL"), "tffftfttt");
  // Values of rows that a condition leaves out are not computed.
  EXPECT_EQ(Truth(*batch, "CASE WHEN i = 0 OR i IS NULL THEN false ELSE 10 / i > 2 END"), "ttftfffff");
}

TEST(Logic, AFilterTakesNullForNo) {
  const auto batch = Pairs();
  EXPECT_EQ(Rows(*batch, "b"), "0,3,6");
  EXPECT_EQ(Rows(*batch, "NOT b"), "1,4,7");
  EXPECT_EQ(Rows(*batch, "a OR b"), "0,1,2,3,6");
  EXPECT_EQ(Rows(*batch, "NOT (a AND b)"), "1,3,4,5,7");
  EXPECT_EQ(Rows(*batch, "true"), "0,1,2,3,4,5,6,7,8");
  EXPECT_EQ(Rows(*batch, "i = 1 AND NULL"), "none");
}

}  // namespace
}  // namespace lancefs::testing
