#include "common/rpc/bad_request.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BadRequest, CarriesWhatIsWrongWithEachField) {
  const absl::Status status = WithViolations(absl::InvalidArgumentError("two fields"),
                                             {{"svi.spec.vrf", "is missing"}, {"svi_id", "is no name"}});
  EXPECT_EQ(status.message(), "two fields");
  EXPECT_THAT(ViolationsOf(status), ElementsAre(FieldViolation{"svi.spec.vrf", "is missing"},
                                                FieldViolation{"svi_id", "is no name"}));
}

TEST(BadRequest, IsReadFromTheBeginningOfAMessage) {
  EXPECT_THAT(ViolationsOf(absl::InvalidArgumentError("svi.spec.gw_ip_prefix[1]: len 33: too long")),
              ElementsAre(FieldViolation{"svi.spec.gw_ip_prefix[1]", "len 33: too long"}));
  for (const char* message :
       {"no field at all", "Not a field: it begins large", "two words: no field", ": ", ""}) {
    EXPECT_THAT(ViolationsOf(absl::InvalidArgumentError(message)), IsEmpty()) << message;
  }
  EXPECT_THAT(ViolationsOf(absl::NotFoundError("svi_id: there is none")), IsEmpty());
}

}  // namespace
}  // namespace xpu
