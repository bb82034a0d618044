// SPDX-License-Identifier: Apache-2.0
#include "fs/errno_map.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "fs/text.h"

namespace lancefs {
namespace {

TEST(ErrnoMap, Codes) {
  EXPECT_EQ(ErrnoOf(Status::OK()), 0);
  EXPECT_EQ(ErrnoOf(Status::InvalidArgument("x"), "lookup"), EINVAL);
  EXPECT_EQ(ErrnoOf(Status::InvalidArgument("x"), "open"), EINVAL);
  EXPECT_EQ(ErrnoOf(Status::InvalidArgument("x"), "read"), EIO);
  EXPECT_EQ(ErrnoOf(Status::NotFound("x")), ENOENT);
  EXPECT_EQ(ErrnoOf(Status::Stale("x")), ESTALE);
  EXPECT_EQ(ErrnoOf(Status::TooLarge("x")), EFBIG);
  EXPECT_EQ(ErrnoOf(Status::ReadOnly("x")), EROFS);
  EXPECT_EQ(ErrnoOf(Status::ResourceExhausted("x")), ENOSPC);
  EXPECT_EQ(ErrnoOf(Status::Cancelled("x")), EINTR);
  EXPECT_EQ(ErrnoOf(Status::Corruption("x")), EIO);
  EXPECT_EQ(ErrnoOf(Status::Conflict("x"), "rmdir"), ENOTEMPTY);
}

TEST(ErrnoMap, ReportsFailuresButNotAbsences) {
  StatusLog log;
  const Caller alice{.uid = 1000};
  EXPECT_EQ(ReportError(Status::NotFound("no such clause"), "lookup", "/query/.git", alice, &log), ENOENT);
  EXPECT_TRUE(log.Errors().empty());
  EXPECT_EQ(ReportError(Status::InvalidArgument("unknown column 'fere'; did you mean 'fare'?"), "lookup",
                        "/query/filter=fere > 1", alice, &log),
            EINVAL);
  ASSERT_EQ(log.Errors().size(), 1u);
  EXPECT_NE(log.LastError(1000).find("did you mean 'fare'"), std::string::npos);
  EXPECT_EQ(log.LastError(1001), "");
  const ErrorRecord record = log.Errors()[0];
  EXPECT_EQ(record.file_name(), "1-filter_fere___1.json");
  ASSERT_TRUE(log.FindError(record.file_name()));
  EXPECT_NE(record.ToJson().find("\"errno\": 22"), std::string::npos);
  // A tool that asks twice in a moment failed once.
  ReportError(Status::InvalidArgument("unknown column 'fere'; did you mean 'fare'?"), "lookup", "/query/filter=fere > 1", alice,
              &log);
  EXPECT_EQ(log.Errors().size(), 1u);
}

TEST(StatusLog, KeepsTheLastHundredErrors) {
  StatusLog log(1000, 100);
  for (int i = 0; i < 250; ++i) {
    ErrorRecord record;
    record.path = "/x" + std::to_string(i);
    log.AddError(record);
  }
  const auto errors = log.Errors();
  ASSERT_EQ(errors.size(), 100u);
  EXPECT_EQ(errors.front().seq, 151u);
  EXPECT_EQ(errors.back().seq, 250u);
}

TEST(Text, Times) {
  EXPECT_EQ(FormatTime(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTime(1'700'000'000'120'000'000), "2023-11-14T22:13:20.12Z");
  EXPECT_EQ(*ParseTime("2023-11-14T22:13:20.12Z"), 1'700'000'000'120'000'000);
  EXPECT_EQ(*ParseTime("2023-11-15 00:13:20.120+02:00"), 1'700'000'000'120'000'000);
  EXPECT_EQ(*ParseTime("2023-11-14"), 1'699'920'000'000'000'000);
  EXPECT_EQ(*ParseTime("2023-11-14T22:13"), 1'699'999'980'000'000'000);
  for (const char* bad :
       {"", "2023", "2023-13-01", "2023-02-30", "2023-11-14T", "2023-11-14T25:00", "2023-11-14T22:13:20x", "yesterday"}) {
    EXPECT_FALSE(ParseTime(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace lancefs
